// A lab for a test: YAML text in, the real binary and real hosts out.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lab/lab.h"
#include "model/stats.h"

namespace hairpin {

inline constexpr std::chrono::milliseconds patience{20'000};  // for what should take milliseconds

// Waits until the condition holds; false once the time is over.
bool wait_for(const std::function<bool()>& condition, std::chrono::milliseconds timeout = patience);

// Runs a line of shell on a host; the test fails if that does.
void command(const lab::Host& host, const std::string& line);

// A file in a temporary folder of its own, which is gone with this object, with whatever is beside the file.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view text);
    ~TemporaryFile();
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    const std::string& path() const { return path_; }
    void write(std::string_view text) const;  // replaces all of it

private:
    std::string folder_;
    std::string path_;
};

// The network that the text describes, with `hairpin run` ready in the gateway. Where it cannot be built the test fails
// and the object is false.
class TestLab {
public:
    enum class Backends { answer, none };  // none: the test opens its own
    // With the xdp engine the links behave as those of network cards do: their drivers take frames, and checksums are
    // made before. `wrapper`: runs what follows it, as {"prlimit", "--nofile=100"} does.
    explicit TestLab(std::string_view yaml, const std::string& engine = "proxy", Backends backends = Backends::answer,
                     std::vector<std::string> wrapper = {});

    explicit operator bool() const { return lab_ != nullptr; }
    lab::Lab* operator->() const { return lab_.get(); }
    lab::Lab& operator*() const { return *lab_; }

    // Waits until the daemon has logged these words. A thread of its own writes its log, and one of ours reads that: a
    // client may have its answer before the line is here that tells of it.
    testing::AssertionResult logs(std::string_view words) const;

    // The same, of words that it logs because of this, and may have logged before.
    testing::AssertionResult logs_after(const std::function<void()>& cause, std::string_view words) const;
    // Does this to the gateway's network, and waits until the daemon has followed.
    testing::AssertionResult follows(const std::function<void()>& change) const {
        return logs_after(change, "the network changed");
    }

    // The running daemon's counters of one service, asked for now (SIGUSR1).
    ServiceStats stats(std::string_view service) const;

    // SIGKILL; returns when it is dead.
    void kill_daemon() const;
    // Another one, with the same configuration; returns when it is ready.
    void start_daemon() const;

    // Stops the daemon; returns once all its threads stand still. thaw() lets them go on.
    void freeze() const;
    void thaw() const;

    void rewrite(std::string_view yaml) const { config_.write(yaml); }  // the configuration, which nobody reads yet
    // Replaces the configuration and has the daemon read it (SIGHUP); false if it refuses.
    bool reload(std::string_view yaml) const;

    std::string socket() const { return config_.path() + ".sock"; }  // where its API is

private:
    TemporaryFile config_;              // beside it are the socket and what daemons leave
    mutable std::string last_service_;  // of what the daemon serves: the end of each of its answers
    std::unique_ptr<lab::Lab> lab_;
};

// All there are: what tests that any engine must pass are instantiated with.
std::vector<std::string> engine_names();
Abilities abilities_of(std::string_view engine);
bool is_bpf(std::string_view engine);  // one of those that share the programs of src/engines/bpf

// A blocking socket on a host, connected as `leg` says; receiving gives up after `patience`. Invalid, with the reason
// in errno, where there is no connection.
Fd connect_from(const lab::Host& host, const Leg& leg);

}  // namespace hairpin
