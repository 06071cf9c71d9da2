#include "daemon/order_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/process.h"
#include "daemon/state_file.h"

namespace hairpin {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::chrono::milliseconds;
using Time = Departures::Time;

// Those that an upgrade has retired look each second, and are done some time after that.
constexpr std::chrono::seconds late{10};

constexpr milliseconds latest{std::chrono::years(200)};  // a duration in nanoseconds holds that

Error not_ours(std::string_view why) { return {fmt::format("this is not such a file: {}", why)}; }

ordered_json to_json(const ServiceBackend& name) {
    return {{"service", name.service}, {"backend", name.backend.str()}};
}

// The others throw what the library does.
Result<ServiceBackend> name_from(const json& entry) {
    const auto backend = EndpointRange::parse(entry.at("backend").get<std::string>());
    if (!backend) return backend.error();
    return ServiceBackend{entry.at("service"), *backend};
}

Result<Administration> administration_from(const json& list) {
    std::map<ServiceBackend, Duty> duties;
    for (const json& entry : list) {
        const auto name = name_from(entry);
        const auto duty = from_name<Duty>(entry.at("duty").get<std::string>());
        if (!name) return name.error();
        if (!duty) return Error{"there is no such duty"};
        duties[*name] = *duty;
    }
    return Administration(std::move(duties));
}

int64_t on_the_wall(Time time, Time::duration ahead) {
    return std::chrono::floor<milliseconds>(time.time_since_epoch() + ahead).count();
}

Result<Time> time_from(const json& number, Time::duration ahead) {
    const auto count = number.get<int64_t>();
    if (count < 0 || count > latest.count()) return Error{"there is no such time"};
    return Time(milliseconds(count) - ahead);
}

Result<Departures> departures_from(const json& list, Time::duration ahead) {
    std::map<ServiceBackend, Departure> leaving;
    for (const json& entry : list) {
        const auto name = name_from(entry);
        const auto by = time_from(entry.at("by"), ahead);
        const auto over = time_from(entry.at("over"), ahead);
        if (!name) return name.error();
        if (!by || !over) return (by ? over : by).error();
        leaving[*name] = {*by, *over};
    }
    return Departures(std::move(leaving));
}

Result<std::optional<Stop>> stop_from(const json& entry, Time::duration ahead) {
    const auto at = time_from(entry.at("at"), ahead);
    const auto by = time_from(entry.at("by"), ahead);
    if (!at || !by) return (at ? by : at).error();
    return std::optional(Stop{*at, *by});
}

Time::duration ahead_now() {
    return std::chrono::system_clock::now().time_since_epoch() - std::chrono::steady_clock::now().time_since_epoch();
}

}  // namespace

bool Stop::is_over(Time now) const { return now > by + late; }

ordered_json to_json(const Orders& orders, Time::duration ahead) {
    auto backends = ordered_json::array();
    for (const auto& [name, duty] : orders.administration.duties()) {
        backends.push_back(to_json(name));
        backends.back()["duty"] = hairpin::name(duty);
    }
    auto leaving = ordered_json::array();
    for (const auto& [name, departure] : orders.departures.all()) {
        leaving.push_back(to_json(name));
        leaving.back()["by"] = on_the_wall(departure.by, ahead);
        leaving.back()["over"] = on_the_wall(departure.over, ahead);
    }
    ordered_json json = {{"backends", std::move(backends)}, {"leaving", std::move(leaving)}};
    if (const auto& stop = orders.stop) {
        json["stop"] = {{"at", on_the_wall(stop->at, ahead)}, {"by", on_the_wall(stop->by, ahead)}};
    }
    return json;
}

Result<Orders> orders_from(const json& json, Time::duration ahead) {
    try {
        const auto administration = administration_from(json.at("backends"));
        if (!administration) return not_ours(administration.error().message);
        const auto leaving = json.find("leaving");  // which earlier versions did not keep
        const auto departures =
            leaving != json.end() ? departures_from(*leaving, ahead) : Result<Departures>(Departures());
        if (!departures) return not_ours(departures.error().message);
        const auto entry = json.find("stop");
        const auto stop = entry != json.end() ? stop_from(*entry, ahead) : Result<std::optional<Stop>>(std::nullopt);
        if (!stop) return not_ours(stop.error().message);
        return Orders{*administration, *departures, *stop};
    } catch (const nlohmann::json::exception& failure) {
        return not_ours(failure.what());
    }
}

OrderFile OrderFile::of_socket(const std::string& path) {
    if (path.empty()) return OrderFile();
    const std::string folder = folder_in("STATE_DIRECTORY");
    return OrderFile(folder.empty() ? path + ".orders" : folder + "/orders.json");
}

Result<Orders> OrderFile::read() const {
    if (path_.empty()) return Orders();
    const auto text = read_state(path_);
    if (!text) return text.error();
    if (text->empty()) return Orders();
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    auto read = json.is_discarded() ? not_ours("it is not JSON") : orders_from(json, ahead_now());
    return read ? read : read.error().within(path_);
}

Result<> OrderFile::write(const Orders& orders) const {
    if (path_.empty()) return {};
    if (orders.empty()) {
        if (unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
        return system_error(path_ + " cannot be removed");
    }
    return write_state(path_, to_json(orders, ahead_now()).dump(2) + "\n");
}

}  // namespace hairpin
