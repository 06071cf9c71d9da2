// Our filter of the clsact qdisc, among those of others: what the bpf engines use before Linux 6.6.
#include "engines/bpf/tc_filter.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "kernel/namespace.h"
#include "kernel/veth.h"

namespace hairpin::bpf {
namespace {

// A program that lets everything pass.
Fd program() {
    const bpf_insn steps[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = -1},
                              {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    return Fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pass", "MIT", steps, std::size(steps), nullptr));
}

uint32_t id_of(const Fd& program) {
    bpf_prog_info info{};
    uint32_t size = sizeof info;
    EXPECT_EQ(bpf_obj_get_info_by_fd(program.get(), &info, &size), 0);
    return info.id;
}

bpf_tc_hook ingress_of(int link) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = link;
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

// The program of a filter; 0: there is no such filter, or no qdisc.
uint32_t program_at(int link, uint32_t handle, uint32_t priority) {
    const bpf_tc_hook hook = ingress_of(link);
    bpf_tc_opts filter{};
    filter.sz = sizeof filter;
    filter.handle = handle;
    filter.priority = priority;
    return bpf_tc_query(&hook, &filter) == 0 ? filter.prog_id : 0;
}

// Whether this would be the first: the kernel makes one where there is none.
bool has_qdisc(int link) {
    bpf_tc_hook hook = ingress_of(link);
    if (bpf_tc_hook_create(&hook) == -EEXIST) return true;
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    bpf_tc_hook_destroy(&hook);
    return false;
}

constexpr uint32_t our_handle = 0x6870;
constexpr uint32_t our_priority = 7;

using TcFilter = InNamespace;

TEST_F(TcFilter, IsReplacedInPlaceAndLeavesNothing) {
    alone_as_root([] {
        add_veth("ext", "1.0.0.1/24");
        const int link = static_cast<int>(if_nametoindex("ext"));
        const Fd one = program();
        const Fd other = program();
        ASSERT_TRUE(put_filter(link, Direction::in, one.get()));
        EXPECT_EQ(program_at(link, our_handle, our_priority), id_of(one));
        ASSERT_TRUE(put_filter(link, Direction::in, other.get()));
        EXPECT_EQ(program_at(link, our_handle, our_priority), id_of(other));
        ASSERT_TRUE(put_filter(link, Direction::out, one.get()));
        remove_filter(link, Direction::in);
        EXPECT_EQ(program_at(link, our_handle, our_priority), 0U);
        EXPECT_TRUE(has_qdisc(link)) << "that of the other direction is still there";
        remove_filter(link, Direction::out);
        EXPECT_FALSE(has_qdisc(link));
    });
}

TEST_F(TcFilter, LeavesThoseOfOthersAlone) {
    alone_as_root([] {
        add_veth("ext", "1.0.0.1/24");
        const int link = static_cast<int>(if_nametoindex("ext"));
        const Fd ours = program();
        const Fd theirs = program();
        bpf_tc_hook hook = ingress_of(link);
        ASSERT_EQ(bpf_tc_hook_create(&hook), 0);
        bpf_tc_opts filter{};
        filter.sz = sizeof filter;
        filter.handle = 1;
        filter.priority = 1;
        filter.prog_fd = theirs.get();
        ASSERT_EQ(bpf_tc_attach(&hook, &filter), 0);
        ASSERT_TRUE(put_filter(link, Direction::in, ours.get()));
        remove_filter(link, Direction::in);
        EXPECT_EQ(program_at(link, 1, 1), id_of(theirs));
    });
}

}  // namespace
}  // namespace hairpin::bpf
