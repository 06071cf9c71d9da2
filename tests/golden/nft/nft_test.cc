// What the nft engine tells the kernel, letter by letter: the services of tests/golden/nft/NAME.yaml on one gateway
// become the commands of NAME.nft. frame.nft is what all of them stand on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "config/config.h"
#include "engines/nft/compile.h"
#include "engines/nft/frame.h"
#include "support/golden.h"
#include "unit/model/values.h"

namespace hairpin::nft {
namespace {

// Both families have the same places:
//
//     internet ── 1.0.0.254 ─── ext  1.0.0.1 [gateway] 10.0.0.1  int  ─── 10.0.0.2 ...
//                                                      10.0.1.1  int2 ─── 10.0.1.7 ..., 10.0.1.254 ── 10.9.0.0/16
Topology topology() {
    return two_legged().route("10.9.0.0/16", "10.0.1.254").route("fd00:9::/64", "fd00:1::fe").topology();
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, nft) {
    const std::string name = GetParam();
    const std::string path = fmt::format("{}/tests/golden/nft/{}.yaml", HAIRPIN_SOURCE_DIR, name);
    const Config config = parse_config(read_file(path), path);
    for (const Diagnostic& error : config.errors) ADD_FAILURE() << error.str();
    const Ruleset ruleset(config.services);
    Compiler compiler(topology());
    std::vector<Part> parts;
    for (const Service& service : ruleset.services()) parts.push_back(compiler.service(service));
    parts.push_back(surroundings(ruleset, compiler.topology()));
    Contents contents;
    expect_golden(fmt::format("nft/{}.nft", name), commands(contents.replace({}, parts)));
}

INSTANTIATE_TEST_SUITE_P(golden, Golden,
                         testing::Values("one_backend", "several_backends", "ranges", "source_policies",
                                         "both_families", "every_address", "beyond_routers", "admission", "limits",
                                         "self"),
                         [](const auto& param) { return std::string(param.param); });

TEST(GoldenFrame, nft) { expect_golden("nft/frame.nft", frame({32768, 60999})); }

}  // namespace
}  // namespace hairpin::nft
