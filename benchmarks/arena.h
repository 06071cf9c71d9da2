// A contestant at work in a network of its own, that of the README, with the servers that it leads to:
//
//                                                                          ╭── server1 10.0.0.2:54321  answers requests
//   client 1.0.0.100 ── ext ── 1.0.0.1 gateway 10.0.0.1 ── int ── switch ──┤
//                              :5432 -> server1                            ╰── server2 10.0.0.3:12345  iperf3
//                              :1234 -> server2
//
// All arenas are alike but for what runs in the gateway, and exist side by side, so that measures can take turns.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "contestant.h"
#include "lab/lab.h"
#include "model/path.h"
#include "responder.h"

namespace hairpin::bench {

// Who asks, and what.
struct Client {
    const lab::Host& host;
    std::string_view name;  // of the host
    Endpoint asked;         // the service; without a load balancer, the backend itself
};

// One thread uses an Arena, and must last as long.
class Arena {
public:
    // Returns once the contestant serves. `services`: the configuration for hairpin, instead of the two of the picture;
    // the first of the picture must be among them. Precondition: lab::gain_privileges().
    static Result<std::unique_ptr<Arena>> open(Contestant contestant, const std::string& services = two_services());
    ~Arena();

    static std::string two_services();

    Contestant contestant() const { return contestant_; }
    // Of the service that answers requests: the client, or server2 for Path::peer.
    Client requests(Path path) const;
    // Of the service that takes bulk: the client, or server1 for Path::peer.
    Client bulk(Path path) const;

    const lab::Host& host(std::string_view name) const { return lab_->host(name); }
    const lab::Host& switch_host() const { return lab_->switch_host(); }
    const Responder& responder() const { return *responder_; }
    lab::Process* process() const { return process_.get(); }  // null: the kernel alone works
    double seconds_to_ready() const { return seconds_to_ready_; }

    // Sets a key of sysctl(8) on every host.
    Result<> set_everywhere(std::string_view key, std::string_view value) const;
    // Has hairpin read another configuration, and returns once it has taken it. Precondition: it is hairpin.
    Result<> reload(const std::string& services) const;

private:
    explicit Arena(Contestant contestant) : contestant_(contestant) {}
    Result<> build();
    Result<> start(const std::string& services);
    Result<> start_process(const Setup& setup);
    Result<> write(const std::string& file, const std::string& text) const;

    const Contestant contestant_;
    std::string folder_;  // of configuration files; gone with this object
    std::unique_ptr<lab::Lab> lab_;
    std::unique_ptr<Responder> responder_;
    std::unique_ptr<lab::Process> iperf_;
    std::unique_ptr<lab::Process> process_;
    double seconds_to_ready_ = 0;
};

}  // namespace hairpin::bench
