// One check of one backend, under way.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/shared.h"
#include "model/check_origin.h"
#include "model/service.h"

namespace hairpin::health {

// What is asked whom, and from where.
struct Target {
    std::string service;
    EndpointRange backend;
    Shared<HealthCheck> check;               // there is one
    std::optional<CheckOrigin> origin = {};  // none: from wherever the route says
    ProxyHeader sent_to_backend = {};        // with which clients' connections begin

    // With which the check begins: a port of its own is another server, which expects none.
    ProxyHeader header() const { return asked().port == backend.ports.first ? sent_to_backend : ProxyHeader::none; }
    Endpoint asked() const { return {backend.ip, check->port != 0 ? check->port : backend.ports.first}; }
};

struct Outcome {
    // undecided: nothing was learned of the backend, for the gateway itself was short of something
    enum class Verdict { passed, failed, undecided };
    Verdict verdict = Verdict::passed;
    std::string reason = {};  // why it has not passed: "connection refused"

    static Outcome passed() { return {}; }
    static Outcome failed(std::string reason) { return {Verdict::failed, std::move(reason)}; }
    static Outcome undecided(std::string reason) { return {Verdict::undecided, std::move(reason)}; }
    // The failure of a system call: the backend's, or want of descriptors, memory or ports here.
    static Outcome of_errno(int error_number);
    // The same where the call would not even begin to ask: from an origin, it may be that alone which does not lead
    // there, and nothing was learned of the backend.
    static Outcome of_beginning(int error_number, bool from_origin);
};

// One thread, the checker's. Nothing here waits. Destroyed, it leaves neither a descriptor nor a process behind.
class Probe {
public:
    virtual ~Probe() = default;
    virtual int fd() const = 0;                     // to be watched: for reading and writing, edges only
    virtual std::optional<Outcome> advance() = 0;   // after an event of it; nothing: it goes on
    virtual bool has_met() const { return false; }  // whether anything has come from the backend so far
    // No more is to come of it. True: it may be destroyed at once; false: after its next event.
    virtual bool stop() { return true; }
};

// A probe that has begun, or the outcome of one that could not.
struct Begun {
    std::unique_ptr<Probe> probe;
    Outcome outcome = {};  // where there is no probe
};

Begun begin_socket_probe(const Target& target);   // tcp, udp
Begun begin_command_probe(const Target& target);  // command

}  // namespace hairpin::health
