// Runs a test alone in namespaces of its own: nothing it does reaches the machine, nothing is left.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/fd.h"

namespace hairpin {

// A process with threads cannot enter a user namespace, and one that is in it cannot leave: hence a child for each
// test.
class InNamespace : public testing::Test {
protected:
    // Calls `body` where the loopback link is up and 1.0.0.1, 1.0.0.2, 10.0.0.2 and 10.0.0.3 are the host's own, all of
    // them on that link. Skips where the system forbids namespaces, but fails in CI.
    static void alone(void (*body)()) {
        in_child(body, [] {
            if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) _exit(forbidden);
            set_up_loopback();
        });
    }

    // The same with the powers of root, for no user namespace may load programs into the kernel. There are no
    // addresses; the BPF file system is the test's own and ends with it, and so does what it pins there.
    static void alone_as_root(void (*body)()) {
        in_child(body, [] {
            if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) _exit(forbidden);
            ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << std::strerror(errno);
            ASSERT_EQ(mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr), 0) << std::strerror(errno);
        });
    }

private:
    enum { passed = 0, failed = 1, skipped = 70, forbidden = 71 };

    static void in_child(void (*body)(), void (*prepare)()) {
        std::fflush(nullptr);
        const pid_t child = fork();
        ASSERT_GE(child, 0) << std::strerror(errno);
        if (child == 0) {
            prepare();
            if (!HasFatalFailure()) body();
            std::fflush(nullptr);
            _exit(HasFailure() ? failed : IsSkipped() ? skipped : passed);
        }
        int status = 0;
        ASSERT_EQ(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)), child);
        ASSERT_TRUE(WIFEXITED(status)) << "the test ended with signal " << WTERMSIG(status);
        switch (WEXITSTATUS(status)) {
            case passed:
                return;
            case skipped:
                GTEST_SKIP() << "as said above";
            case forbidden:
                if (std::getenv("CI")) FAIL() << "this system forbids the namespaces that it takes";
                GTEST_SKIP() << "this system forbids the namespaces that it takes";
            default:
                FAIL() << "as said above";
        }
    }

    static void set_up_loopback() {
        const Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ASSERT_TRUE(control);
        const auto request = [&](unsigned long what, ifreq& interface) {
            ASSERT_EQ(ioctl(control.get(), what, &interface), 0) << std::strerror(errno);
        };
        const auto interface = [](const std::string& name, const char* address) {
            ifreq made{};
            std::snprintf(made.ifr_name, sizeof made.ifr_name, "%s", name.c_str());
            sockaddr_in in{};
            in.sin_family = AF_INET;
            inet_pton(AF_INET, address, &in.sin_addr);
            std::memcpy(&made.ifr_addr, &in, sizeof in);
            return made;
        };
        ifreq lo = interface("lo", "127.0.0.1");
        lo.ifr_flags = IFF_UP;
        request(SIOCSIFFLAGS, lo);
        int alias = 0;
        for (const char* own : {"1.0.0.1", "1.0.0.2", "10.0.0.2", "10.0.0.3"}) {
            const std::string label = "lo:" + std::to_string(++alias);
            ifreq address = interface(label, own);
            request(SIOCSIFADDR, address);
            ifreq mask = interface(label, "255.255.255.255");  // else all of its class would be the host's own
            request(SIOCSIFNETMASK, mask);
        }
    }
};

}  // namespace hairpin
