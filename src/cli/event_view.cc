#include "cli/event_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace hairpin {
namespace {

// Of a field; nothing: the line is another one's.
std::optional<std::string_view> value_of(std::string_view field, std::string_view line) {
    if (!line.starts_with(field)) return std::nullopt;
    line.remove_prefix(field.size());
    if (line.starts_with(' ')) line.remove_prefix(1);
    return line;
}

}  // namespace

std::string event_line(const nlohmann::json& event) {
    const auto text = [&event](const char* key) { return event.at(key).get<std::string>(); };
    return fmt::format("{}  {:<7}  {:<17}  {}\n", text("time"), text("level"), text("kind"), text("message"));
}

std::vector<std::string> EventStream::take(std::string_view bytes) {
    std::vector<std::string> events;
    for (const char c : bytes) {
        if (c == '\n') {
            take_line(events);
        } else if (c != '\r') {
            line_ += c;
        }
    }
    return events;
}

// An empty line ends a block; lines of data belong together; a block without data is no event, but its id counts. Of
// the rest, comments and what JSON says again, nothing is needed.
void EventStream::take_line(std::vector<std::string>& events) {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) {
        last_id_ = id_;
        if (!data_.empty()) events.push_back(std::exchange(data_, {}));
    } else if (const auto data = value_of("data:", line)) {
        if (!data_.empty()) data_ += '\n';
        data_ += *data;
    } else if (const auto id = value_of("id:", line)) {
        id_ = *id;
    }
}

}  // namespace hairpin
