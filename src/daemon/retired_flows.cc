#include "daemon/retired_flows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/state_file.h"

namespace hairpin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view infix = ".retired.";

json to_json(const FlowCounts& counts) {
    auto list = json::array();
    for (const auto& [key, active] : counts) {
        list.push_back({{"service", key.first}, {"backend", key.second.str()}, {"active", active}});
    }
    return list;
}

// What is none of ours counts nothing.
void add(FlowCounts& sum, const json& list) {
    try {
        for (const json& entry : list) {
            const auto backend = Endpoint::parse(entry.at("backend").get<std::string>());
            if (backend) sum[{entry.at("service"), *backend}] += entry.at("active").get<uint64_t>();
        }
    } catch (const json::exception&) {
        return;
    }
}

std::vector<std::string> files_of(const fs::path& socket) {
    const std::string prefix = socket.filename().string() + std::string(infix);
    const auto is_number = [](std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    std::vector<std::string> found;
    std::error_code failed;
    const fs::path folder = fs::absolute(socket, failed).parent_path();
    for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
        const std::string name = entry->path().filename();
        if (name.starts_with(prefix) && is_number(std::string_view(name).substr(prefix.size()))) {
            found.push_back(entry->path());
        }
    }
    return found;
}

}  // namespace

uint64_t total(const FlowCounts& counts) {
    uint64_t sum = 0;
    for (const auto& [place, active] : counts) sum += active;
    return sum;
}

Result<FlowCounts> count_flows(Engine& engine) {
    FlowCounts counts;
    const auto seen = engine.flows([&](const LiveFlow& flow) {
        if (!flow.ended) ++counts[{flow.service, flow.backend.destination}];
    });
    return seen ? Result<FlowCounts>(std::move(counts)) : seen.error();
}

uint64_t count_active(Engine& engine) {
    const Result<Stats> stats = engine.stats();
    uint64_t sum = 0;
    if (stats) {
        for (const ServiceStats& service : stats->services) sum += service.active;
    }
    return sum;
}

Result<> LivingFlows::count(Engine& engine, bool retired) {
    const uint64_t active = count_active(engine);
    if (retired && active == active_) return {};
    auto counts = count_flows(engine);
    if (!counts) return counts.error();
    counts_ = *std::move(counts);
    active_.reset();
    if (retired && total(counts_) == active) active_ = active;
    return {};
}

std::string RetiredFlows::file_of_ours() const { return fmt::format("{}{}{}", socket_, infix, getpid()); }

Result<> RetiredFlows::tell(const FlowCounts& counts) {
    if (socket_.empty() || (held_ && counts == told_)) return {};
    auto held = hold_state(file_of_ours(), to_json(counts).dump());
    if (!held) return held.error();
    held_ = *std::move(held);
    told_ = counts;
    return {};
}

void RetiredFlows::take_back() {
    if (!held_) return;
    unlink(file_of_ours().c_str());
    held_.reset();
}

bool RetiredFlows::any() const { return !socket_.empty() && std::ranges::any_of(files_of(socket_), is_held); }

FlowCounts RetiredFlows::read() const {
    FlowCounts sum;
    if (socket_.empty()) return sum;
    for (const std::string& file : files_of(socket_)) {
        if (!is_held(file)) {
            unlink(file.c_str());
        } else if (const auto text = read_state(file)) {
            add(sum, json::parse(*text, nullptr, false));
        }
    }
    return sum;
}

}  // namespace hairpin
