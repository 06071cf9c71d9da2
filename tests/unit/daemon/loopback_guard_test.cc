#include "daemon/loopback_guard.h"

#include <gtest/gtest.h>

namespace hairpin {
namespace {

HttpRequest request(std::string method, std::string host) {
    return {.method = std::move(method), .path = "/v1/status", .host = std::move(host)};
}

TEST(OverTcp, WhoAsksThisMachineMayRead) {
    for (const char* host :
         {"127.0.0.1:8053", "127.0.0.1", "127.9.9.9:1", "localhost:8053", "LocalHost", "[::1]:8053"}) {
        EXPECT_FALSE(refuse_over_tcp(request("GET", host))) << host;
        EXPECT_FALSE(refuse_over_tcp(request("HEAD", host))) << host;
    }
}

TEST(OverTcp, APageOfANameThatLeadsHereReadsNothing) {
    for (const char* host : {"evil.example:8053", "evil.example", "", "localhost.evil.example", "10.0.0.1:8053", "[",
                             "[]", "[::2]:8053", ":8053", "127.0.0.1.evil.example"}) {
        const auto refusal = refuse_over_tcp(request("GET", host));
        ASSERT_TRUE(refusal) << host;
        EXPECT_EQ(refusal->status, 403);
    }
    EXPECT_EQ(refuse_over_tcp(request("GET", "evil.example"))->body,
              R"({"error":"ask for localhost or a loopback address: 'evil.example' is none"})");
}

TEST(OverTcp, NobodyChangesAnything) {
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get", ""}) {
        const auto refusal = refuse_over_tcp(request(method, "localhost:8053"));
        ASSERT_TRUE(refusal) << method;
        EXPECT_EQ(refusal->status, 403);
        EXPECT_EQ(refusal->body, R"({"error":"over TCP nothing can be changed: ask on the Unix socket"})");
    }
}

}  // namespace
}  // namespace hairpin
