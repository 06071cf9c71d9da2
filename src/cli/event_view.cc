#include "cli/event_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace hairpin {

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

// An empty line ends an event; lines of data belong together; of the rest, comments and what JSON says again, nothing
// is needed.
void EventStream::take_line(std::vector<std::string>& events) {
    const std::string line = std::exchange(line_, {});
    constexpr std::string_view field = "data:";
    if (line.empty()) {
        if (!data_.empty()) events.push_back(std::exchange(data_, {}));
    } else if (line.starts_with(field)) {
        std::string_view value = std::string_view(line).substr(field.size());
        if (value.starts_with(' ')) value.remove_prefix(1);
        if (!data_.empty()) data_ += '\n';
        data_ += value;
    }
}

}  // namespace hairpin
