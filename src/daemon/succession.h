// How one daemon hands over to the next, while it serves: to a new version of the program, mostly.
//
//   predecessor                                   successor, its child
//   starts it, hands the listening sockets over   reads the configuration, and refuses it if it must
//   lets go of what only one can hold      <───   asks to begin
//                                          ───>   begins
//   takes no new connections               <───   serves, and says so; or says at any time why it cannot
//   ends with its last connection
//
// Until the successor serves, the predecessor can go on as if nothing had happened.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "net/inherited_sockets.h"

namespace hairpin {

// This program as it was started. Its file may be another one by now.
struct CommandLine {
    std::string file;
    std::vector<std::string> arguments;  // from argv[0] on

    static CommandLine of_this_process();
};

// As its predecessor sees it.
class Successor {
public:
    // Starts it and hands it these sockets. It inherits our standard files, user and capabilities.
    static Result<Successor> start(const CommandLine& program, std::span<const int> sockets);
    Successor(Successor&&) = default;
    Successor& operator=(Successor&&) = default;
    ~Successor();  // kills one that never came to serve

    // Blocks until it asks to begin, or has ended, or has taken 25 s: after an error, which says why, it is gone.
    Result<> wait_for_its_question();
    // Blocks likewise until it serves.
    Result<> let_begin();
    pid_t pid() const { return pid_; }

private:
    Successor(pid_t pid, Fd line) : pid_(pid), line_(std::move(line)) {}
    Result<> hear(std::string_view message);
    void end();

    pid_t pid_;
    Fd line_;
    bool serves_ = false;
};

// As its successor sees it.
class Predecessor {
public:
    // Ours; null: we were started by somebody else. Takes the sockets over.
    static Result<std::unique_ptr<Predecessor>> of_this_process();

    const std::shared_ptr<InheritedSockets>& sockets() const { return sockets_; }
    // Blocks until it has let go; the error says that it is gone.
    Result<> ask_to_begin();
    void tell_that_we_serve();
    void tell_that_we_cannot(const std::string& why);

private:
    Predecessor(Fd line, InheritedSockets sockets);

    Fd line_;
    std::shared_ptr<InheritedSockets> sockets_;
};

}  // namespace hairpin
