#include "engines/bpf/settings.h"

#include <fmt/format.h>

#include "base/fd.h"
#include "net/sysctl.h"

namespace hairpin::bpf {
namespace {

hp_sysctl note(const std::string& text) {
    hp_sysctl note{};
    text.copy(note.text, sizeof note.text - 1);
    return note;
}

// Those that are pinned in a folder; none where there are none.
Result<Table<hp_sysctl, hp_sysctl>> notes_in(const std::filesystem::path& folder) {
    const Fd map(::bpf_obj_get((folder / "hp_sysctls").c_str()));
    if (!map) return Table<hp_sysctl, hp_sysctl>();
    return KernelMap<hp_sysctl, hp_sysctl>(map.get(), "hp_sysctls").all();
}

}  // namespace

Result<> set_until_clear(const Kernel& kernel, const Setting& setting, const std::function<void(const Event&)>& tell) {
    if (setting.value == "1") return {};
    const auto noted = kernel.maps().sysctls.get(note(setting.key));
    if (!noted) {
        if (auto put = kernel.maps().sysctls.put(note(setting.key), note(setting.value)); !put) return put;
    }
    if (auto set = write_sysctl(setting.key, "1"); !set) return set;
    tell(engine_note(fmt::format("{} was {} and is now 1, until the gateway stops", setting.key, setting.value)));
    return {};
}

Result<> inherit_notes(const Kernel& kernel, const std::filesystem::path& folder) {
    const auto notes = notes_in(folder);
    if (!notes) return notes.error();
    for (const auto& [key, was] : *notes) {
        if (kernel.maps().sysctls.get(key)) continue;
        if (auto put = kernel.maps().sysctls.put(key, was); !put) return put;
    }
    return {};
}

Result<> restore_settings(const std::filesystem::path& folder) {
    const auto notes = notes_in(folder);
    if (!notes) return notes.error();
    Result<> result;
    for (const auto& [key, was] : *notes) {
        if (auto set = write_sysctl(key.text, was.text); !set) result = set;
    }
    return result;
}

}  // namespace hairpin::bpf
