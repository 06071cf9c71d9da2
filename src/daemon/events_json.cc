#include "daemon/events_json.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using nlohmann::ordered_json;
using std::chrono::milliseconds;

// RFC 3339, in UTC, with milliseconds.
std::string text_of(NumberedEvent::Time time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<milliseconds>(time - second);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(second)),
                       rest.count());
}

}  // namespace

ordered_json to_json(const NumberedEvent& numbered) {
    const Event& event = numbered.event;
    ordered_json json = {{"number", numbered.number},
                         {"time", text_of(numbered.at)},
                         {"kind", name(*event.kind)},
                         {"level", name(event.level)},
                         {"message", event.message}};
    const auto add = [&json](const char* key, const auto& value) {
        if (!value.empty()) json[key] = value;
    };
    add("service", event.service);
    add("backend", event.backend);
    add("link", event.link);
    add("name", event.name);
    add("limit", event.limit);
    add("reason", event.reason);
    add("by", event.by);
    add("addresses", event.addresses);
    add("reasons", event.reasons);
    return json;
}

// What an event tells of may be no UTF-8; JSON has no line breaks in it.
std::string stream_text(const NumberedEvent& event) {
    return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", event.number, name(*event.event.kind),
                       to_json(event).dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

std::string stream_text(uint64_t number) { return fmt::format("id: {}\n\n", number); }

}  // namespace hairpin
