// Something else than a hairpin answers at the API's socket: `hairpin flows` says so, and does not wait for ever.
#include <gtest/gtest.h>

#include "support/binary.h"
#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

class ForeignApi : public testing::Test {
protected:
    void SetUp() override {
        need_programs({"socat"});
        if (IsSkipped() || HasFatalFailure()) return;
        ASSERT_TRUE(lab::gain_privileges());
        auto host = lab::Host::make();
        ASSERT_TRUE(host) << host.error().message;
        host_.emplace(*std::move(host));
    }

    // What `hairpin flows` says where a script of shell answers each connection.
    std::string flows(const std::string& script) const {
        const TemporaryFile file(script);
        const auto server = start_server(
            *host_, {"socat", "-d", "-d", "UNIX-LISTEN:" + socket_ + ",fork,unlink-early", "EXEC:sh " + file.path()},
            "listening on");
        const Outcome outcome = outcome_of(*host_, {hairpin_binary(), "flows", "--socket", socket_});
        EXPECT_EQ(outcome.status, 1);
        return outcome.output;
    }

    const TemporaryDirectory folder_;
    const std::string socket_ = folder_ / "api";
    std::optional<lab::Host> host_;
};

TEST_F(ForeignApi, IsNamedWithWhatToDo) {
    const std::string no_hairpin =
        "hairpin flows: what answers at " + socket_ + " is no hairpin: say where the gateway listens (--socket)\n";
    const auto http = [](const std::string& body, const std::string& server = "nginx") {
        return "while read -r line && [ ${#line} -gt 1 ]; do :; done\n"
               "printf 'HTTP/1.0 200 OK\\r\\nServer: " +
               server + "\\r\\n\\r\\n%s' '" + body + "'\n";
    };
    EXPECT_EQ(flows(http(R"({"flows":[{}]})")), no_hairpin);
    EXPECT_EQ(flows(http("<html>")), no_hairpin);
    EXPECT_EQ(flows(http("17")), no_hairpin);
    EXPECT_EQ(flows(http(R"({"error":17})", "hairpin/99")), no_hairpin);
    // It was a raw exception of the JSON library.
    EXPECT_EQ(flows(http(R"({"flows":[{}]})", "hairpin/99"))
                  .find("hairpin flows: what answers at " + socket_ + " is no hairpin of this version, "),
              0u);
    EXPECT_EQ(flows("echo SSH-2.0-OpenSSH_9.2; read -r line\n"), no_hairpin);
}

TEST_F(ForeignApi, ThatSaysNothingIsNotWaitedForForEver) {
    EXPECT_EQ(flows("cat >/dev/null\n").find("hairpin flows: nothing came from " + socket_ + " for 10 s"), 0u);
}

}  // namespace
}  // namespace hairpin
