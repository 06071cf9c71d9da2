// The programs of the bpf engines, loaded for a test in its own namespace, and a network around them.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "engines/bpf/pins.h"
#include "kernel/veth.h"
#include "net/sysctl.h"
#include "support/loaded_kernel.h"

namespace hairpin::bpf {

// The network of two_legged() in unit/model/values.h, in which everybody is known.
inline void build_two_legged() {
    set_up("lo");
    add_veth("ext", "1.0.0.1/24");
    for (const char* own : {"2001:db8::1/64", "fe80::e/64"}) add_address("ext", own);
    add_veth("int", "10.0.0.1/24");
    for (const char* own : {"fd00::1/64", "fe80::1/64"}) add_address("int", own);
    add_veth("int2", "10.0.1.1/24");
    for (const char* own : {"fd00:1::1/64", "fe80::2/64"}) add_address("int2", own);
    add_route("0.0.0.0/0", {{"1.0.0.254", "ext"}});
    add_route("::/0", {{"fe80::fe", "ext"}});
    for (const char* host : {"1.0.0.254", "1.0.0.100", "fe80::fe", "2001:db8::100"}) add_neighbour("ext", host);
    for (const char* host : {"10.0.0.2", "10.0.0.3", "10.0.0.50", "fd00::2", "fd00::3", "fd00::50"}) {
        add_neighbour("int", host);
    }
    for (const char* host : {"10.0.1.7", "fd00:1::7"}) add_neighbour("int2", host);
    for (const char* key : {"net.ipv4.conf.all.forwarding", "net.ipv6.conf.all.forwarding"}) {
        ASSERT_TRUE(write_sysctl(key, "1")) << key;
    }
}

inline std::unique_ptr<LoadedKernel> loaded() {
    const auto folder = pin_folder();
    EXPECT_TRUE(folder && make_pin_folder(*folder));
    auto kernel = LoadedKernel::load(*folder);
    EXPECT_TRUE(kernel) << kernel.error().message;
    return kernel ? *std::move(kernel) : nullptr;
}

}  // namespace hairpin::bpf
