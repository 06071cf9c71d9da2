#include "engines/bpf/pins.h"

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>

#include <algorithm>

#include "base/fd.h"
#include "engines/bpf/attachment.h"
#include "engines/bpf/wire.h"

namespace hairpin::bpf {
namespace {

namespace fs = std::filesystem;

const fs::path root = "/sys/fs/bpf";

Result<> mount_root() {
    struct statfs there {};
    if (::statfs(root.c_str(), &there) == 0 && there.f_type == BPF_FS_MAGIC) return {};
    if (::mount("bpf", root.c_str(), "bpf", 0, "mode=0700") == 0) return {};
    return system_error(fmt::format("mounting the BPF file system: run `mount -t bpf bpf {}`", root.string()));
}

// Links are dead when their device is gone, as those of a namespace that has ended are. Of filters that cannot be told.
bool is_dead(const fs::path& folder) {
    std::error_code ignored;
    bool any = false;
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
        if (!is_attachment(entry.path())) continue;
        if (device_of(entry.path()) != 0) return false;
        any = true;
    }
    return any;
}

}  // namespace

Result<fs::path> pin_folder() {
    const Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (!any || ::getsockopt(any.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
        return system_error("telling network namespaces apart");  // Linux 5.14
    }
    return root / "hairpin" / fmt::format("{}-{}", static_cast<int>(HP_VERSION), cookie);
}

std::vector<fs::path> folders_of_other_versions(const fs::path& folder) {
    const auto cookie_of = [](const fs::path& path) {
        const std::string name = path.filename().string();
        return name.substr(std::min(name.find('-'), name.size()));
    };
    std::vector<fs::path> others;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder.parent_path(), ignored)) {
        if (entry.path() != folder && cookie_of(entry.path()) == cookie_of(folder)) others.push_back(entry.path());
    }
    return others;
}

Result<> make_pin_folder(const fs::path& folder) {
    if (auto mounted = mount_root(); !mounted) return mounted;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return system_error(folder.string(), error.value());
    std::vector<fs::path> dead;
    for (const auto& entry : fs::directory_iterator(folder.parent_path(), error)) {
        if (entry.path() != folder && is_dead(entry.path())) dead.push_back(entry.path());
    }
    for (const fs::path& of_nobody : dead) (void)remove_pins(of_nobody);
    return {};
}

Result<> remove_pins(const fs::path& folder) {
    std::error_code error;
    std::vector<fs::path> pins;
    for (const auto& entry : fs::directory_iterator(folder, error)) pins.push_back(entry.path());
    if (error) return {};
    std::stable_partition(pins.begin(), pins.end(), is_attachment);
    for (const fs::path& pin : pins) {
        if (is_attachment(pin)) detach(pin);
        if (::unlink(pin.c_str()) != 0 && errno != ENOENT) return system_error(pin.string());
    }
    if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) return system_error(folder.string());
    return {};
}

}  // namespace hairpin::bpf
