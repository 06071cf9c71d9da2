// The programs of the bpf engines, loaded into this kernel, do with each packet what translate() says: what
// tests/unit/engines/bpf/kernel_half_test.cc shows of the same programs compiled for this machine.
#include <gtest/gtest.h>

#include "kernel/loaded.h"
#include "kernel/namespace.h"
#include "net/netlink_topology.h"
#include "support/gate.h"

namespace hairpin::bpf {
namespace {

using BpfPrograms = InNamespace;

TEST_F(BpfPrograms, DoWhatTranslateSays) {
    alone_as_root([] {
        build_two_legged();
        const auto topology = read_topology();
        ASSERT_TRUE(topology) << topology.error().message;
        const auto kernel = loaded();
        ASSERT_TRUE(kernel);
        const auto serve = [&](const Tables& tables, size_t services, const auto&) -> KernelHalf& {
            const auto served = kernel->serve(tables, services);
            EXPECT_TRUE(served) << served.error().message;
            return *kernel;
        };
        expect_what_translate_says(*topology, 100, serve);
    });
}

}  // namespace
}  // namespace hairpin::bpf
