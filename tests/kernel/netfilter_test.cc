// A kernel without nf_tables, as minimal ones are.
#include "engines/nft/netfilter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace hairpin::nft {
namespace {

// From now on socket(..., ..., NETLINK_NETFILTER) fails as where the kernel does not know it.
bool take_netfilter_away() {
    constexpr auto refuse = static_cast<uint32_t>(SECCOMP_RET_ERRNO | EPROTONOSUPPORT);
    sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_NETFILTER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, refuse),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{static_cast<unsigned short>(std::size(steps)), steps};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(Netfilter, IsNotToBeHadWhereTheKernelLacksIt) {
    const auto ask = [] {
        if (!take_netfilter_away()) std::_Exit(2);
        const auto chains = Netfilter().chains();
        std::fputs(chains ? "there" : chains.error().message.c_str(), stderr);
        std::_Exit(0);
    };
    EXPECT_EXIT(ask(), testing::ExitedWithCode(0),
                "Protocol not supported; the kernel lacks nf_tables .*use engine: proxy");
}

}  // namespace
}  // namespace hairpin::nft
