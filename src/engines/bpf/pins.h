// What outlives the daemon: a folder of the BPF file system for each network namespace. It holds the maps under their
// names, and the links under those of hook and device, "link_in_INDEX".
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"

namespace hairpin::bpf {

// The folder of the calling thread's network namespace, whether it exists or not: named for the namespace's cookie,
// which no other one has until the machine starts anew.
Result<std::filesystem::path> pin_folder();

// Those that programs with tables of another layout have left of the same namespace. They serve until they are removed.
std::vector<std::filesystem::path> folders_of_other_versions(const std::filesystem::path& folder);

// Makes it, and the file system where that is not mounted. Removes what is left of namespaces that are gone.
Result<> make_pin_folder(const std::filesystem::path& folder);

// Lets go of all of it: first of the links, so that no packet meets half of it. Nothing there: nothing to do.
Result<> remove_pins(const std::filesystem::path& folder);

}  // namespace hairpin::bpf
