#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>

#include "lab/lab.h"

namespace hairpin::lab {
namespace {

bool has_capability(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

Result<> write_file(const char* path, const std::string& text) {
    const Fd file(open(path, O_WRONLY | O_CLOEXEC));
    if (!file || write(file.get(), text.data(), text.size()) < 0) return system_error(path);
    return {};
}

// 0 in this file forbids what the lab needs; a system that lacks the file has no such setting.
bool is_zero(const char* path) {
    int value = 1;
    std::ifstream(path) >> value;
    return value == 0;
}

Error forbidden(const Error& reason) {
    constexpr auto clone = "/proc/sys/kernel/unprivileged_userns_clone";
    constexpr auto number = "/proc/sys/user/max_user_namespaces";
    constexpr auto apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    std::string advice = "run it as root";
    if (is_zero(clone)) advice += ", or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1";
    if (is_zero(number)) advice += ", or allow user namespaces: sysctl user.max_user_namespaces=10000";
    int restricted = 0;
    if (std::ifstream(apparmor) >> restricted && restricted != 0) {
        advice += ", or lift AppArmor's restriction: sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    }
    return {"the lab needs a user namespace: " + reason.message + "; " + advice};
}

}  // namespace

Result<> gain_privileges() {
    if (has_capability(CAP_NET_ADMIN) && has_capability(CAP_SYS_ADMIN)) return {};
    const std::string uid = std::to_string(geteuid());
    const std::string gid = std::to_string(getegid());
    if (unshare(CLONE_NEWUSER) != 0) return forbidden(system_error("unshare"));
    // In this order: a group may only be mapped once setgroups(2) is out of reach.
    for (const auto& [path, text] :
         {std::pair{"/proc/self/setgroups", std::string("deny")}, std::pair{"/proc/self/uid_map", "0 " + uid + " 1"},
          std::pair{"/proc/self/gid_map", "0 " + gid + " 1"}}) {
        if (auto written = write_file(path, text); !written) return forbidden(written.error());
    }
    // AppArmor may grant the namespace and withhold what it is for.
    if (unshare(CLONE_NEWNET) != 0) return forbidden(system_error("unshare"));
    return {};
}

}  // namespace hairpin::lab
