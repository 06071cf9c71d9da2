// The kernel's settings that the engine depends on. What they were is noted in a pinned map, for whoever clears it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "engines/bpf/kernel.h"
#include "engines/engine.h"
#include "engines/forwarding.h"

namespace hairpin::bpf {

// Sets one to "1" and notes what it was, unless it is so already.
Result<> set_until_clear(const Kernel& kernel, const Setting& setting, const std::function<void(const Event&)>& tell);

// Takes over the notes in a folder of another version of the tables.
Result<> inherit_notes(const Kernel& kernel, const std::filesystem::path& folder);

// Puts back what is noted.
Result<> restore_settings(const std::filesystem::path& folder);

}  // namespace hairpin::bpf
