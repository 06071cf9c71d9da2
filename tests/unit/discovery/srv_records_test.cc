// SRV records out of a message. The messages are those of tests/fuzz/corpus/srv_answer.
#include "discovery/srv_records.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace hairpin::discovery {
namespace {

Result<SrvAnswer> parse(const std::string& file) {
    std::ifstream in(HAIRPIN_SOURCE_DIR "/tests/fuzz/corpus/srv_answer/" + file, std::ios::binary);
    const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_FALSE(bytes.empty()) << file;
    return parse_srv_answer(bytes);
}

TEST(SrvAnswer, HasRecordsAndTheLeastTtl) {
    const auto answer = parse("two");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->records, (std::vector<SrvRecord>{{"one.lan", 8080, 10, 5}, {"two.lan", 8081, 20, 0}}));
    EXPECT_EQ(answer->ttl, std::chrono::seconds(30));
}

TEST(SrvAnswer, MayCountOnAnAlias) {
    const auto answer = parse("alias");
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->records, (std::vector<SrvRecord>{{"one.lan", 3, 1, 2}}));
    EXPECT_EQ(answer->ttl, std::chrono::seconds(3));
}

TEST(SrvAnswer, MayHoldNoServer) {
    for (const char* file : {"none", "root"}) {
        const auto answer = parse(file);
        ASSERT_TRUE(answer) << file;
        EXPECT_TRUE(answer->records.empty()) << file;
    }
}

TEST(SrvAnswer, MayBeMalformed) {
    EXPECT_FALSE(parse("cut"));
    EXPECT_FALSE(parse("short"));
}

}  // namespace
}  // namespace hairpin::discovery
