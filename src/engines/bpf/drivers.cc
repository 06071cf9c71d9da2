#include "engines/bpf/drivers.h"

#include <fmt/format.h>

#include <algorithm>

#include "engines/bpf/attachment.h"

namespace hairpin::bpf {
namespace {

constexpr uint32_t vouched_for = 5'000'000'000 >> HP_TICK_BITS;  // ticks; renewed about every second

const XdpLink* find_driver(const std::vector<XdpLink>& drivers, int index) {
    const auto found = std::ranges::find(drivers, index, &XdpLink::index);
    return found != drivers.end() ? &*found : nullptr;
}

// Why no program of ours is to run in its driver; empty: it may.
std::string_view obstacle_to(const Link& link, const std::vector<XdpLink>& drivers, const Topology& topology) {
    const auto& links = topology.links();
    const XdpLink* driver = find_driver(drivers, link.index);
    if (!driver || !driver->runs) return "its driver runs no XDP";
    // Where a driver takes tags off, frames of a VLAN look like others; and those of a port would seem to be its own.
    if (std::ranges::find(links, link.index, &Link::trunk) != links.end()) return "it carries VLANs";
    if (std::ranges::find(links, link.index, &Link::master) != links.end()) return "it is made of other links";
    return "";
}

}  // namespace

void Drivers::use(const Kernel& kernel, Table<uint32_t, hp_link>& known, const std::vector<Link>& links,
                  const Topology& topology, const std::filesystem::path& folder,
                  const std::function<void(const Event&)>& on_event) {
    const auto before = xdp_links();
    std::map<std::string, std::string> obstacles;
    std::vector<Link> able;
    for (const Link& link : links) {
        if (link.name == "lo") continue;
        const std::string obstacle(before ? obstacle_to(link, *before, topology) : before.error().message);
        if (obstacle.empty()) {
            able.push_back(link);
        } else {
            obstacles.emplace(link.name, obstacle);
        }
    }
    obstacles.merge(attach_to_drivers(kernel.program(Hook::driver), able, folder));
    for (auto& [link, why] : obstacles) why += "; what comes by it goes the way of engine tc";
    const auto drivers = vouch(kernel, known);  // some take frames only while a program runs in them
    for (const Link& link : able) {
        const XdpLink* driver = drivers ? find_driver(*drivers, link.index) : nullptr;
        if (driver && driver->takes_frames) continue;
        const std::string why = drivers ? "its driver takes no frames from others" : drivers.error().message;
        obstacles.emplace(link.name, why + "; what leaves by it goes the way of engine tc");
    }
    for (const auto& [link, why] : obstacles) {
        const auto told = obstacles_.find(link);
        if (told != obstacles_.end() && told->second == why) continue;
        on_event(engine_warning(fmt::format("{}: {}", link, why)));
    }
    obstacles_ = std::move(obstacles);
}

Result<std::vector<XdpLink>> Drivers::vouch(const Kernel& kernel, Table<uint32_t, hp_link>& known) {
    auto drivers = xdp_links();
    if (!drivers) return drivers;
    const auto now = kernel.flows().now();
    if (!now) return now.error();
    for (auto& [index, link] : known) {
        const XdpLink* driver = find_driver(*drivers, static_cast<int>(index));
        link.takes_frames_until = driver && driver->takes_frames ? *now + vouched_for : 0;
        (void)kernel.maps().links.put(index, link);
    }
    return drivers;
}

}  // namespace hairpin::bpf
