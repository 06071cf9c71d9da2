// The kernel's half of the bpf engines as a test sees it: a frame comes by a link, and a program makes something of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engines/bpf/compile.h"

namespace hairpin::bpf {

// What a program made of a frame.
struct Verdict {
    enum class Action { pass, drop, send };
    Action action = Action::pass;
    int link = 0;                      // send: by which link
    bool inward = false;               // send: as if it had come by that link
    bool resolved = false;             // send: by the kernel's own neighbour code, which puts the addresses on it
    std::string frame;                 // from its Ethernet header on
    std::vector<std::string> again{};  // frames that it put on the link that this one came by
};

// One thread uses it.
class KernelHalf {
public:
    KernelHalf() = default;
    virtual ~KernelHalf() = default;
    KernelHalf(const KernelHalf&) = delete;
    KernelHalf& operator=(const KernelHalf&) = delete;

    // A frame that has come by a link, and is for the gateway.
    virtual Verdict arrives(int link, const std::string& frame) = 0;
    virtual Verdict in_driver(int link, const std::string& frame) = 0;

    virtual std::optional<hp_half> half(const hp_tuple& key) const = 0;
};

}  // namespace hairpin::bpf
