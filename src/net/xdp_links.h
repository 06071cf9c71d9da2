// What network drivers can do with XDP, by the kernel's own word (kernel: Documentation/netlink/specs/netdev.yaml).
#pragma once

#include <vector>

#include "base/result.h"

namespace hairpin {

struct XdpLink {
    int index = 0;
    bool runs = false;          // a program that may send a frame on by another link
    bool takes_frames = false;  // that were sent on so. May depend on whether it runs a program itself
    bool operator==(const XdpLink&) const = default;
};

// The links of the calling thread's network namespace that can do any of it (Linux 6.3).
Result<std::vector<XdpLink>> xdp_links();

}  // namespace hairpin
