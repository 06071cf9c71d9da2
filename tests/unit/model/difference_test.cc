#include "model/difference.h"

#include <gtest/gtest.h>

#include <string>

namespace hairpin {
namespace {

using Names = std::vector<std::string>;

// "a" is a service of that name, "a1" the same service with another backend.
std::vector<Service> services(std::string_view spelled) {
    std::vector<Service> list;
    for (const char c : spelled) {
        if (c == '1') {
            list.back().backends.push_back({*EndpointRange::parse("10.0.0.2:80")});
        } else {
            list.emplace_back().name = c;
        }
    }
    return list;
}

struct Named {
    Names gone;
    Names added;
    bool operator==(const Named&) const = default;
};

Named between(std::string_view before, std::string_view after) {
    const std::vector<Service> old_services = services(before);
    const std::vector<Service> new_services = services(after);
    const Difference found = difference(old_services, new_services);
    Named named;
    for (const Service* service : found.gone) named.gone.push_back(service->name);
    for (const Service* service : found.added) named.added.push_back(service->name);
    return named;
}

TEST(Difference, IsNothingWhereNothingChanged) {
    EXPECT_EQ(between("", ""), Named());
    EXPECT_EQ(between("abc", "abc"), Named());
}

TEST(Difference, IsNothingWhereServicesOnlyChangedPlaces) {
    EXPECT_EQ(between("abcd", "cabd"), Named());
    EXPECT_EQ(between("ab", "ba"), Named());
}

TEST(Difference, HasAChangedServiceOnBothSides) {
    EXPECT_EQ(between("abc", "ab1c"), Named({"b"}, {"b"}));
    EXPECT_EQ(between("abc", "a1bc1"), Named({"a", "c"}, {"a", "c"}));
    EXPECT_EQ(between("abc", "c1ab"), Named({"c"}, {"c"}));
}

TEST(Difference, HasWhatCameAndWhatWent) {
    EXPECT_EQ(between("abc", "abxc"), Named({}, {"x"}));
    EXPECT_EQ(between("abc", "xabc"), Named({}, {"x"}));
    EXPECT_EQ(between("abc", "abcx"), Named({}, {"x"}));
    EXPECT_EQ(between("abc", "ac"), Named({"b"}, {}));
    EXPECT_EQ(between("abc", ""), Named({"a", "b", "c"}, {}));
    EXPECT_EQ(between("", "ab"), Named({}, {"a", "b"}));
    EXPECT_EQ(between("abc", "bxy"), Named({"a", "c"}, {"x", "y"}));
}

}  // namespace
}  // namespace hairpin
