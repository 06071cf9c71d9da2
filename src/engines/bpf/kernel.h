// The kernel's half of the engine: its programs and their maps, made or taken over.
#pragma once

#include <filesystem>
#include <memory>

#include "engines/bpf/attachment.h"
#include "engines/bpf/flow_table.h"
#include "engines/bpf/kernel_map.h"

struct nat_tc;
struct nat_xdp;

namespace hairpin::bpf {

// As kern/maps.h has them.
struct Maps {
    KernelMap<hp_asked, hp_endpoint> endpoints;
    KernelMap<uint32_t, hp_backend> backends;
    KernelMap<uint32_t, hp_choices> choices;
    KernelMap<hp_client, hp_share> own;
    KernelMap<uint32_t, hp_rules> rules;
    KernelMap<hp_network, uint32_t> networks;
    KernelMap<hp_address, uint32_t> guarded;
    KernelMap<uint32_t, hp_settings> settings;
    KernelMap<uint32_t, hp_link> links;
    KernelMap<uint32_t, uint64_t> known;
    KernelMap<uint32_t, hp_counts> counts;
    KernelMap<hp_counted, hp_bucket> buckets;
    KernelMap<hp_place, hp_came> came;
    KernelMap<uint32_t, hp_hashing> hashing;
    KernelMap<hp_sysctl, hp_sysctl> sysctls;
};

// Acts on the network namespace of the thread that makes it. One thread uses it.
class Kernel {
public:
    // Loads the programs; that of Hook::driver only on demand. Maps that are pinned in the folder are taken over with
    // all that they hold, others made and pinned. Whoever closes it leaves all of that in place.
    static Result<Kernel> load(const std::filesystem::path& folder, bool with_driver);

    int program(Hook hook) const;  // a descriptor; precondition: it was loaded

    const Maps& maps() const { return *maps_; }
    const FlowTable& flows() const { return *flows_; }

private:
    struct Destroy {
        void operator()(nat_tc* skeleton) const;
        void operator()(nat_xdp* skeleton) const;
    };
    std::unique_ptr<nat_tc, Destroy> tc_;
    std::unique_ptr<nat_xdp, Destroy> xdp_;
    std::optional<Maps> maps_;
    std::optional<FlowTable> flows_;
};

// From now on libbpf's own messages go into our errors, not to stderr.
void catch_complaints();

// Why this machine cannot run it, in one line; changes nothing.
Result<> check_kernel();

}  // namespace hairpin::bpf
