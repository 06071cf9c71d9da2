#include "daemon/event_stream.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>

#include "config/values.h"
#include "daemon/events.h"
#include "daemon/events_json.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

std::optional<uint64_t> number_in(std::string_view text) {
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// What is asked for.
struct Wish {
    std::string after;  // as it was given; empty: all that are kept
    bool follow = true;
};

// A reader that comes again, as browsers do by themselves, asks as at first and adds the header.
Result<Wish> wish_of(const HttpRequest& request) {
    Wish wish;
    for (const auto& [key, value] : request.query) {
        if (key == "after") {
            if (value != "last" && !number_in(value)) {
                return Error{"after: " + in_quotes(value) + " is neither the number of an event nor last"};
            }
            wish.after = value;
        } else {
            if (value != "true" && value != "false") {
                return Error{"follow: " + in_quotes(value) + " is neither true nor false"};
            }
            wish.follow = value == "true";
        }
    }
    if (request.last_event_id.empty()) return wish;
    if (!number_in(request.last_event_id)) {
        return Error{"Last-Event-ID: " + in_quotes(request.last_event_id) + " is not the number of an event"};
    }
    wish.after = request.last_event_id;
    return wish;
}

uint64_t beginning(const Events& events, const Wish& wish) {
    if (wish.after.empty()) return events.before_oldest();
    return wish.after == "last" ? events.last() : *number_in(wish.after);
}

HttpResponse list(const Events& events, uint64_t number) {
    auto all = ordered_json::array();
    while (const auto next = events.after(number)) {
        all.push_back(to_json(*next));
        number = next->number;
    }
    return json_response(200, {{"events", std::move(all)}});
}

HttpResponse stream(const Events& events, uint64_t number) {
    const auto next = [&events, number]() mutable -> std::string {
        const auto event = events.after(number);
        if (!event) return {};
        std::string text = stream_text(*event);
        number = event->number;  // not before: there may be no memory for the text
        return text;
    };
    return {.content_type = "text/event-stream",
            .stream = HttpStream{.first = stream_text(number), .next = next, .heartbeat = ":\n\n"}};
}

}  // namespace

HttpResponse events(const HttpRequest& request, const WithGateway& with_gateway) {
    const auto wish = wish_of(request);
    if (!wish) return error_response(400, wish.error().message);
    const Events* all = nullptr;  // which live as long as the API does
    with_gateway([&](Gateway& gateway) { all = &gateway.events; });
    const uint64_t number = beginning(*all, *wish);
    return wish->follow ? stream(*all, number) : list(*all, number);
}

}  // namespace hairpin
