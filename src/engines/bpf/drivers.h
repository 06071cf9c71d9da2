// Which links' drivers run the short cut of engine xdp, and take frames that another driver sends them.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engines/bpf/kernel.h"
#include "engines/engine.h"
#include "net/xdp_links.h"

namespace hairpin::bpf {

// One thread.
class Drivers {
public:
    // Has the drivers of these links run the program, where they can, and tells why others do not, once of each reason.
    // Packets of those take the way of the tc engine, so nothing fails here. `known`: what hp_links holds.
    void use(const Kernel& kernel, Table<uint32_t, hp_link>& known, const std::vector<Link>& links,
             const Topology& topology, const std::filesystem::path& folder,
             const std::function<void(const Event&)>& on_event);

    // Tells the program which links take frames, for some seconds, and returns what was found of them. What a driver
    // takes may depend on settings of its link, so nobody may rely on it for long. Without us, all goes by the programs
    // behind the drivers.
    static Result<std::vector<XdpLink>> vouch(const Kernel& kernel, Table<uint32_t, hp_link>& known);

    void forget() { obstacles_.clear(); }

private:
    std::map<std::string, std::string> obstacles_;  // by link: why its driver is not used, as the operator was told
};

}  // namespace hairpin::bpf
