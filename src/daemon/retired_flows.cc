#include "daemon/retired_flows.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "daemon/state_file.h"
#include "daemon/stats_json.h"

namespace hairpin {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr std::string_view infix = ".retired.";

std::pair<std::string, Endpoint> place_of(const LiveFlow& flow) { return {flow.service, flow.backend.destination}; }

// By the clock that all processes share, until the machine starts anew.
int64_t milliseconds_now() {
    return std::chrono::floor<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

json to_json(const Living& living) {
    auto counts = json::array();
    for (const auto& [place, active] : living.counts) {
        counts.push_back({{"service", place.first}, {"backend", place.second.str()}, {"active", active}});
    }
    auto flows = json::array();
    for (const LiveFlow& flow : living.listed) flows.push_back(json(hairpin::to_json(flow)));
    return {{"counts", std::move(counts)}, {"flows", std::move(flows)}};
}

// These throw where something is none of ours.
Endpoint endpoint_from(const json& entry, const char* key) {
    const auto endpoint = Endpoint::parse(entry.at(key).get<std::string>());
    if (!endpoint) throw std::invalid_argument(endpoint.error().message);
    return *endpoint;
}

template <class T>
std::optional<T> number_from(const json& entry, const char* key) {
    const json& number = entry.at(key);
    return number.is_null() ? std::nullopt : std::optional(number.get<T>());
}

LiveFlow flow_from(const json& entry, milliseconds older) {
    const auto protocol = from_name<Protocol>(entry.at("protocol").get<std::string>()).value();
    const auto age = number_from<int64_t>(entry, "age_ms");
    return {.service = entry.at("service"),
            .path = from_name<Path>(entry.at("path").get<std::string>()).value(),
            .client = {protocol, endpoint_from(entry, "client"), endpoint_from(entry, "asked")},
            .backend = {protocol, endpoint_from(entry, "source"), endpoint_from(entry, "backend")},
            .bytes_to_backend = number_from<uint64_t>(entry, "bytes_to_backend"),
            .bytes_to_client = number_from<uint64_t>(entry, "bytes_to_client"),
            .age = age ? std::optional(milliseconds(*age) + older) : std::nullopt};
}

void add(Living& sum, const json& told) {
    try {
        Living more;
        for (const json& entry : told.at("counts")) {
            more.counts[{entry.at("service"), endpoint_from(entry, "backend")}] = entry.at("active").get<uint64_t>();
        }
        const milliseconds older(milliseconds_now() - told.at("at").get<int64_t>());
        for (const json& entry : told.at("flows")) more.listed.push_back(flow_from(entry, older));
        for (const auto& [place, active] : more.counts) sum.counts[place] += active;
        std::ranges::move(more.listed, std::back_inserter(sum.listed));
    } catch (const std::exception&) {
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

Result<FlowCounts> count_flows(Engine& engine) {
    FlowCounts counts;
    const auto seen = engine.flows([&](const LiveFlow& flow) {
        if (!flow.ended) ++counts[place_of(flow)];
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

uint64_t Living::total() const {
    uint64_t sum = 0;
    for (const auto& [place, active] : counts) sum += active;
    return sum;
}

Result<> LivingFlows::look(Engine& engine, bool retired) {
    const uint64_t active = count_active(engine);
    const bool all_listed = living_.listed.size() == living_.total();
    if (retired && active == active_ && !all_listed) return {};
    Living now;
    const auto seen = engine.flows([&](const LiveFlow& flow) {
        if (flow.ended) return;
        ++now.counts[place_of(flow)];
        if (now.listed.size() < most_listed) now.listed.push_back(flow);
    });
    if (!seen) return seen.error();
    living_ = std::move(now);
    active_.reset();
    if (retired && living_.total() == active) active_ = active;
    return {};
}

std::string RetiredFlows::file_of_ours() const { return fmt::format("{}{}{}", socket_, infix, getpid()); }

// Nothing but age has changed: then what was told still says how old each is.
Result<> RetiredFlows::tell(const Living& living) {
    if (socket_.empty()) return {};
    json now = to_json(living);
    json ageless = now;
    for (json& flow : ageless.at("flows")) flow.erase("age_ms");
    std::string text = ageless.dump();
    if (held_ && text == told_) return {};
    now["at"] = milliseconds_now();
    auto held = hold_state(file_of_ours(), now.dump());
    if (!held) return held.error();
    held_ = *std::move(held);
    told_ = std::move(text);
    return {};
}

void RetiredFlows::take_back() {
    if (!held_) return;
    unlink(file_of_ours().c_str());
    held_.reset();
}

bool RetiredFlows::any() const { return !socket_.empty() && std::ranges::any_of(files_of(socket_), is_held); }

Living RetiredFlows::read() const {
    Living sum;
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
