// Services as somebody might write them, over the addresses that tests use: 1.0.0.1 and 2001:db8::1 outside, 10.0.0.1
// and fd00::1 inside, backends 10.0.0.2 and .3, 10.0.5.2, fd00::2 and ::3 on ports 7000 to 7002.
#pragma once

#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

class RandomServices {
public:
    explicit RandomServices(uint32_t seed) : engine_(seed) {}

    // Some that go together, and that the engine does not refuse.
    std::vector<Service> some(const Engine& engine, const Topology& topology);

    size_t below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(engine_); }
    Ip one_of(std::span<const std::string_view> addresses);

private:
    Service service(size_t number);
    PrefixList clients();

    std::mt19937 engine_;
};

// Whether the client asks a service, and gets none of its backends.
bool is_kept_out(const Ruleset& ruleset, const Topology& topology, const Leg& client, Abilities abilities);

}  // namespace hairpin
