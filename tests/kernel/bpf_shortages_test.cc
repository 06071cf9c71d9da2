// What the kernel's half has refused for want of room is told once as it begins.
#include <bpf/bpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/fd.h"
#include "engines/bpf/shortages.h"

namespace hairpin::bpf {
namespace {

class BpfShortages : public testing::Test {
protected:
    // The kernel's half counts one more.
    void refuse(uint32_t service, hp_refusal want) {
        hp_counts count = counts_.get(service).value_or(hp_counts{});
        std::ranges::copy("srv" + std::to_string(service), count.name);
        ++count.refused[want];
        ASSERT_TRUE(counts_.put(service, count));
    }
    std::vector<std::string> told() {
        told_.clear();
        shortages_.tend(counts_);
        return told_;
    }

private:
    const Fd map_{::bpf_map_create(BPF_MAP_TYPE_HASH, "counts", sizeof(uint32_t), sizeof(hp_counts), 16, nullptr)};
    const KernelMap<uint32_t, hp_counts> counts_{map_.get(), "counts"};
    std::vector<std::string> told_;
    Shortages shortages_{[this](const Event& event) { told_.push_back(event.message); }};
};

TEST_F(BpfShortages, AreToldOnceOfEachService) {
    EXPECT_EQ(told().size(), 0u);
    refuse(1, HP_REFUSED_PORTS);
    EXPECT_EQ(told().size(), 1u);
    refuse(1, HP_REFUSED_PORTS);
    refuse(2, HP_REFUSED_MEMORY);
    const auto second = told();
    ASSERT_EQ(second.size(), 1u);
    EXPECT_TRUE(second.front().starts_with("service srv2: the table of flows is full")) << second.front();
    EXPECT_EQ(told().size(), 0u);
}

TEST_F(BpfShortages, AnEarlierDaemonsAreNoNews) {
    refuse(1, HP_REFUSED_PORTS);
    EXPECT_EQ(told().size(), 0u);
    EXPECT_EQ(told().size(), 0u);
    refuse(1, HP_REFUSED_PORTS);
    EXPECT_EQ(told().size(), 1u);
}

TEST_F(BpfShortages, WhoIsKeptOutOnPurposeIsNotShortOfRoom) {
    told();
    for (const hp_refusal other : {HP_REFUSED_BACKEND, HP_REFUSED_DENIED, HP_REFUSED_LIMITS}) refuse(1, other);
    EXPECT_EQ(told().size(), 0u);
}

}  // namespace
}  // namespace hairpin::bpf
