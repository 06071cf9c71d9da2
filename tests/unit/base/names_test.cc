// Every enumerator has one spelling, and it reads back.
#include "base/names.h"

#include <gtest/gtest.h>

#include <set>

#include "model/path.h"
#include "model/service.h"
#include "model/stats.h"

namespace hairpin {
namespace {

template <class E>
class Names : public testing::Test {};
using Enums = testing::Types<Family, Protocol, Protocols, SourcePolicy, ProxyHeader, Path, Refusal>;
TYPED_TEST_SUITE(Names, Enums);

TYPED_TEST(Names, ReadBackAsTheSameEnumerator) {
    for (size_t i = 0; i < names_of<TypeParam>.size(); ++i) {
        const auto value = static_cast<TypeParam>(i);
        EXPECT_EQ(from_name<TypeParam>(name(value)), value) << name(value);
    }
}

TYPED_TEST(Names, AreDistinctAndNotEmpty) {
    const auto& all = names_of<TypeParam>;
    EXPECT_EQ(std::set<std::string_view>(all.begin(), all.end()).size(), all.size());
    for (const auto spelling : all) EXPECT_FALSE(spelling.empty());
}

TYPED_TEST(Names, RefuseWhatIsNoSpelling) {
    EXPECT_EQ(from_name<TypeParam>(""), std::nullopt);
    EXPECT_EQ(from_name<TypeParam>("nonsense"), std::nullopt);
    EXPECT_EQ(from_name<TypeParam>(std::string(names_of<TypeParam>[0]) + " "), std::nullopt);
}

// The last enumerator of each has the last spelling: none was added without its name.
TEST(Names, AreInTheOrderOfTheirEnumerators) {
    EXPECT_EQ(name(Path::local), "local");
    EXPECT_EQ(name(SourcePolicy::automatic), "auto");
    EXPECT_EQ(name(SourcePolicy::keep), "keep");
    EXPECT_EQ(name(Protocols::both), "both");
    EXPECT_EQ(name(ProxyHeader::v2), "v2");
    EXPECT_EQ(name(Refusal::loop), "loop");
    EXPECT_EQ(name(Family::v6), "IPv6");
    EXPECT_EQ(all_paths.size(), names_of<Path>.size());
}

}  // namespace
}  // namespace hairpin
