#include "engines/bpf/tc_filter.h"

#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <netlink/route/classifier.h>
#include <netlink/route/qdisc.h>

#include <memory>
#include <string_view>

#include "base/freed.h"

namespace hairpin::bpf {
namespace {

// Ours among filters: the kernel knows them by both.
constexpr uint32_t handle = 0x6870;
constexpr uint32_t priority = 7;

bpf_tc_hook hook_of(int link, Direction direction) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = link;
    hook.attach_point = direction == Direction::in ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts ours() {
    bpf_tc_opts filter{};
    filter.sz = sizeof filter;
    filter.handle = handle;
    filter.priority = priority;
    return filter;
}

using Socket = std::unique_ptr<nl_sock, Freed<nl_socket_free>>;

Socket route_socket() {
    Socket socket(nl_socket_alloc());
    if (socket && nl_connect(socket.get(), NETLINK_ROUTE) < 0) socket.reset();
    return socket;
}

// An ingress qdisc, which has no side out, stands where the clsact qdisc would.
bool has_ingress_qdisc(int link) {
    const Socket socket = route_socket();
    nl_cache* found = nullptr;
    if (!socket || rtnl_qdisc_alloc_cache(socket.get(), &found) < 0) return false;
    const std::unique_ptr<nl_cache, Freed<nl_cache_free>> qdiscs(found);
    const std::unique_ptr<rtnl_qdisc, Freed<rtnl_qdisc_put>> there(
        rtnl_qdisc_get_by_parent(qdiscs.get(), link, TC_H_INGRESS));
    return there && rtnl_tc_get_kind(TC_CAST(there.get())) == std::string_view("ingress");
}

bool has_filters(int link) {
    const Socket socket = route_socket();
    if (!socket) return true;
    for (const uint32_t side : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        nl_cache* found = nullptr;
        if (rtnl_cls_alloc_cache(socket.get(), link, TC_H_MAKE(TC_H_CLSACT, side), &found) < 0) return true;
        const std::unique_ptr<nl_cache, Freed<nl_cache_free>> filters(found);
        if (nl_cache_nitems(filters.get()) > 0) return true;
    }
    return false;
}

}  // namespace

Result<> put_filter(int link, Direction direction, int program) {
    bpf_tc_hook hook = hook_of(link, direction);
    const int made = bpf_tc_hook_create(&hook);
    if (made == -ENODEV) return {};
    if (made != 0 && made != -EEXIST) return system_error("making the clsact qdisc", -made);
    if (made == -EEXIST && direction == Direction::out && has_ingress_qdisc(link)) {
        return Error{
            "its ingress qdisc leaves no room for clsact: `tc qdisc show` lists it, `tc qdisc del` removes it"};
    }
    bpf_tc_opts filter = ours();
    filter.prog_fd = program;
    filter.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &filter)) return system_error("putting a filter there", -error);
    return {};
}

void remove_filter(int link, Direction direction) {
    bpf_tc_hook hook = hook_of(link, direction);
    const bpf_tc_opts filter = ours();
    (void)bpf_tc_detach(&hook, &filter);
    if (has_filters(link)) return;
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);  // the qdisc
    (void)bpf_tc_hook_destroy(&hook);
}

}  // namespace hairpin::bpf
