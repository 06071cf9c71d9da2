// Events as `hairpin events` shows them, and how they are found in the stream that the gateway sends.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hairpin {

// "2025-11-27T03:02:11.123Z  warning  backend_down  service web: backend 10.0.0.2:80 is down: ...\n"
std::string event_line(const nlohmann::json& event);

// A text/event-stream (WHATWG HTML, 9.2), as it comes in. A value.
class EventStream {
public:
    static constexpr size_t most = size_t{8} * 1024 * 1024;  // bytes of an event; who sends more is no hairpin

    // The data of the events that are complete with these bytes.
    std::vector<std::string> take(std::string_view bytes);
    // Where a reader of these events goes on: the id of the last block that is complete and has one. Empty: none has.
    const std::string& last_id() const { return last_id_; }
    bool is_too_long() const { return line_.size() + data_.size() + id_.size() > most; }

private:
    void take_line(std::vector<std::string>& events);

    std::string line_;
    std::string data_;  // of the event under way
    std::string id_;    // likewise
    std::string last_id_;
};

}  // namespace hairpin
