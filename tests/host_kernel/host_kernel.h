// The kernel's half of the bpf engines on a bench: its programs, compiled for this machine, with tables that a test
// fills and frames that it makes. What they do to a frame is seen at once, without privileges, and by the sanitizers:
// a frame ends where its memory ends. There are no joined packets, no tags of VLANs and no full tables here.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernel_half.h"

namespace hairpin::bpf {

// There is one at a time: the programs know of no other. One thread uses it, or those that at_once() makes.
class HostKernel final : public KernelHalf {
public:
    // Where the kernel would route a packet to, and what that link takes. Nothing: nowhere.
    struct Route {
        int link = 0;
        uint32_t mtu = 1500;
        bool neighbour_known = true;
    };
    using Routing = std::function<std::optional<Route>(const Ip& destination)>;

    // `slots`: of the table of flows, a power of two above HP_AROUND. The fewer, the more lie where it is full.
    HostKernel(const Tables& tables, size_t services, Routing routing, uint32_t slots = 64);
    ~HostKernel() override;

    Verdict arrives(int link, const std::string& frame) override { return arrives(link, frame, false); }
    Verdict arrives(int link, const std::string& frame, bool partial);  // its checksum is left to a device
    Verdict leaves(int link, const std::string& frame);
    Verdict in_driver(int link, const std::string& frame) override;

    std::optional<hp_half> half(const hp_tuple& key) const override;
    int insert(const hp_tuple& key, const hp_half& half);  // 0, or a negative error number
    void remove(const hp_tuple& key);
    std::set<uint32_t> slots_in_use() const;
    // A socket of this machine has the connection of which such packets arrive, over IPv4.
    void connect_own(const Endpoint& from, const Endpoint& to);
    void pass_time(std::chrono::nanoseconds time);

    // Runs what processors do at the same moment: each goes on up to its next look into a table or its next
    // exchange with the others, in turns that `seed` draws. So what a race makes of the tables is the same each time.
    static void at_once(const std::vector<std::function<void()>>& processors, uint32_t seed);
};

}  // namespace hairpin::bpf
