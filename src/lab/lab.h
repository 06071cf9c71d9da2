// The lab: a planned network in namespaces, the gateway's daemon in it, and the proof that every path holds.
//
// Nothing outlives the process: namespaces are anonymous, the daemon dies with its parent.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lab/host.h"
#include "lab/plan.h"
#include "lab/process.h"
#include "lab/report.h"
#include "lab/servers.h"

namespace hairpin::lab {

class Lab;

struct Options {
    // What runs in the gateway: argv, such as {"/proc/self/exe", "run", "-c", FILE, "--engine", ENGINE}. It serves when
    // it has written "ready: " to its standard output or standard error. Empty: nothing, and there is no daemon() and
    // no daemon_log().
    std::vector<std::string> command;
    std::function<void(const Lab&)> prepare{};        // called when the network stands, before the daemon starts
    std::chrono::milliseconds ready_timeout{60'000};  // one that ends before is not waited for
    std::chrono::milliseconds answer_timeout{3'000};  // for one answer to one probe
};

// Makes the process able to build networks: without CAP_NET_ADMIN and CAP_SYS_ADMIN it moves into a user namespace of
// its own, as root of that. Call it before the process starts a thread. Its error names what forbids it.
Result<> gain_privileges();

// One thread uses a Lab, and must last as long. start() builds everything, the destructor tears it down.
class Lab {
public:
    // Precondition: gain_privileges(). Fails with the daemon's log in the error if that does not become ready.
    static Result<std::unique_ptr<Lab>> start(Plan plan, Options options);

    // Asks every probe of the plan, calls `on_row` as each row is settled.
    std::vector<Row> prove(const std::function<void(const Row&)>& on_row = [](const Row&) {});

    // Runs $SHELL on a host until it exits. Error: no such host.
    Result<> shell(std::string_view host);

    const Plan& plan() const { return plan_; }
    std::string daemon_log() const { return daemon_->output(); }  // all it wrote so far

    // For tests, which do more on these hosts than the plan says.
    const Host& host(std::string_view name) const;        // precondition: plan().host(name)
    const Host& switch_host() const { return *switch_; }  // ports are named as hosts; precondition: some host is inside
    Process& daemon() { return *daemon_; }
    Result<> start_daemon();  // another one, when that has ended
    // In order, for an engine's state in the kernel may outlast the network that it is for.
    void stop_daemon();

private:
    Lab(Plan plan, Options options) : plan_(std::move(plan)), options_(std::move(options)) {}
    Result<> build();
    Result<> build_host(size_t index);
    Result<> build_wires();
    std::vector<Row> prove(const Probe& probe) const;

    Plan plan_;
    Options options_;
    std::vector<Host> hosts_;  // as in the plan
    std::optional<Host> switch_;
    Servers servers_;
    std::unique_ptr<Process> daemon_;
};

}  // namespace hairpin::lab
