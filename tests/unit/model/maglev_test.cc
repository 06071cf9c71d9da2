// The table of Maglev: the example of its paper's algorithm by hand, then shares and who moves.
#include "model/maglev.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "model/slots.h"

namespace hairpin {
namespace {

constexpr size_t largest = 65537;

std::vector<std::string> names(size_t count) {
    std::vector<std::string> all;
    for (size_t i = 0; i < count; ++i) all.push_back(fmt::format("10.0.{}.{}:80", i / 250, i % 250 + 1));
    return all;
}

// Of equal backends.
Slots table(const std::vector<std::string>& names, size_t size) {
    std::vector<Preference> preferences;
    Slots turns;
    for (const std::string& name : names) {
        turns.push_back(static_cast<uint16_t>(preferences.size()));
        preferences.push_back(preference(name, size));
    }
    return maglev(preferences, turns, size);
}

std::vector<size_t> counts(const Slots& slots, size_t backends) {
    std::vector<size_t> counts(backends);
    for (const uint16_t backend : slots) ++counts[backend];
    return counts;
}

// Slots of backends that stay, and that yet are another's when one goes.
double moved(size_t backends, size_t gone, size_t size) {
    std::vector<std::string> all = names(backends);
    const Slots before = table(all, size);
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(gone));
    const Slots after = table(all, size);
    size_t moved = 0;
    for (size_t i = 0; i < size; ++i) {
        const size_t now = after[i] + (after[i] >= gone ? 1U : 0U);
        moved += before[i] != gone && now != before[i] ? 1U : 0U;
    }
    return static_cast<double>(moved) / static_cast<double>(size);
}

TEST(Maglev, FillsTheTableByPreferenceInTurn) {
    EXPECT_EQ(maglev(std::vector<Preference>{{3, 4}, {0, 2}, {3, 1}}, {0, 1, 2}, 7), (Slots{1, 0, 1, 0, 2, 2, 0}));
    EXPECT_EQ(maglev(std::vector<Preference>{{3, 4}, {3, 1}}, {0, 1}, 7), (Slots{0, 0, 0, 0, 1, 1, 1}))
        << "the second of three left";
}

TEST(Maglev, SizesArePrimesOfWhichEachHasRoomForAllTurns) {
    size_t before = 0;
    for (size_t turns = 1; turns <= most_backends; ++turns) {
        const size_t size = maglev_size(turns);
        EXPECT_GE(size, std::max(turns, before));
        if (size != before) {
            for (size_t divisor = 2; divisor * divisor <= size; ++divisor) EXPECT_NE(size % divisor, 0u) << size;
        }
        before = size;
    }
    EXPECT_EQ(maglev_size(8), 4099u);
    EXPECT_EQ(maglev_size(32), 16411u);
    EXPECT_EQ(maglev_size(1000), largest);
}

TEST(Maglev, SharesAreEqual) {
    for (const size_t backends : {1, 2, 3, 10, 100, 1000}) {
        const auto shares = counts(table(names(backends), largest), backends);
        const auto [least, most] = std::ranges::minmax(shares);
        EXPECT_LE(most - least, 1u) << "each turn takes one";
        EXPECT_LT(static_cast<double>(most) / static_cast<double>(least), backends <= 100 ? 1.002 : 1.02) << backends;
    }
}

TEST(Maglev, SharesAreAsTheTurnsAre) {
    const std::vector<uint32_t> weights{1, 2, 5, 100};
    const size_t size = maglev_size(108);
    std::vector<Preference> preferences;
    for (const std::string& name : names(weights.size())) preferences.push_back(preference(name, size));
    const auto shares = counts(maglev(preferences, turns(weights), size), weights.size());
    for (size_t i = 0; i < weights.size(); ++i) {
        const double expected = static_cast<double>(size) * weights[i] / 108;
        EXPECT_NEAR(static_cast<double>(shares[i]), expected, expected / 100) << weights[i];
    }
}

TEST(Maglev, FewOthersMoveWhenOneGoes) {
    for (const size_t backends : {2, 3, 5, 10, 100}) {
        for (const size_t gone : {size_t{0}, backends / 2, backends - 1}) {
            EXPECT_LT(moved(backends, gone, largest), 0.01) << backends;
        }
    }
    EXPECT_LT(moved(1000, 7, largest), 0.01);
    for (const size_t backends : {2, 3, 5, 8, 10, 32})
        EXPECT_LT(moved(backends, 1, maglev_size(backends)), 0.015) << backends;
}

// Not slots but clients, each by the hash of its address: the way of a new flow through the model.
class MaglevOfTwentyThousandClients : public testing::TestWithParam<Family> {
protected:
    static constexpr size_t clients = 20'000;

    static std::vector<Ip> addresses() {
        std::vector<Ip> all;
        for (size_t i = 0; i < clients; ++i) {
            all.push_back(*Ip::parse(GetParam() == Family::v4 ? fmt::format("198.18.{}.{}", i / 250, i % 250 + 1)
                                                              : fmt::format("2001:db8::{:x}", i + 1)));
        }
        return all;
    }
    static Service service(const std::vector<std::string>& backends) {
        Service service;
        service.balance = Balance::maglev;
        for (const std::string& name : backends) service.backends.push_back({*EndpointRange::parse(name)});
        return service;
    }
    // Where each of the clients is led to.
    static std::vector<EndpointRange> led_to(const Service& service) {
        const Slots slots = slots_of(service);
        std::vector<EndpointRange> all;
        for (const Ip& client : addresses()) {
            all.push_back(service.backends[slots[source_hash(client, slots.size())]].endpoint);
        }
        return all;
    }
};

TEST_P(MaglevOfTwentyThousandClients, SharesThemAsChanceWould) {
    std::map<EndpointRange, double> shares;
    for (const EndpointRange& backend : led_to(service(names(10)))) ++shares[backend];
    constexpr double expected = clients / 10.0;
    double chi_square = 0;
    for (const auto& [backend, share] : shares) chi_square += (share - expected) * (share - expected) / expected;
    EXPECT_EQ(shares.size(), 10u);
    EXPECT_LT(chi_square, 21.7) << "one in a hundred is above";
}

TEST_P(MaglevOfTwentyThousandClients, MovesFewOthersWhenOneOfTenGoes) {
    const std::vector<std::string> ten = names(10);
    const auto before = led_to(service(ten));
    for (size_t gone = 0; gone < ten.size(); ++gone) {
        std::vector<std::string> nine = ten;
        nine.erase(nine.begin() + static_cast<std::ptrdiff_t>(gone));
        const auto after = led_to(service(nine));
        size_t stay = 0, moved = 0;
        for (size_t i = 0; i < clients; ++i) {
            if (before[i].str() == ten[gone]) continue;
            ++stay;
            moved += before[i] != after[i] ? 1U : 0U;
        }
        EXPECT_LT(static_cast<double>(moved) / static_cast<double>(stay), 0.01) << ten[gone] << " goes";
    }
}

INSTANTIATE_TEST_SUITE_P(Both, MaglevOfTwentyThousandClients, testing::Values(Family::v4, Family::v6));

}  // namespace
}  // namespace hairpin
