// Where packets meet our programs: TCX, the hook of a network device (Linux 6.6), or before that a filter of tc's; and
// XDP, the hook in its driver. All outlive who attached to them.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/topology.h"

namespace hairpin::bpf {

bool is_attachment(const std::filesystem::path& pin);  // by its name
// The index of its device; 0: that is gone. Nothing: it cannot be told, as of a filter.
std::optional<uint32_t> device_of(const std::filesystem::path& pin);

// Detaches what it stands for, and takes the pin away.
void detach(const std::filesystem::path& pin);

enum class Hook { arrives, leaves, driver };

// Puts the program on this hook of these links and of no others. What runs there already is replaced without a packet
// passing in between, and stays behind programs of others that came before it.
Result<> attach(Hook hook, int program, const std::vector<Link>& links, const std::filesystem::path& folder);

// The same for Hook::driver, but for links whose driver does not take the program; what they carry meets the others.
// Returns why, by the link's name.
std::map<std::string, std::string> attach_to_drivers(int program, const std::vector<Link>& links,
                                                     const std::filesystem::path& folder);

void detach(Hook hook, const std::filesystem::path& folder);  // everywhere

bool is_attached(Hook hook, const std::filesystem::path& folder);  // anywhere

// The links by which packets of the gateway come that carry Ethernet frames, or lead back to this machine. Ports of
// bridges and bonds are left out: what they carry comes by those. In the calling thread's network namespace.
std::vector<Link> ethernet_links(const std::vector<Link>& links);

}  // namespace hairpin::bpf
