// Which sockets serve a ruleset, and who owns them.
#include "engines/proxy/compile.h"

#include <gtest/gtest.h>

#include <map>

namespace hairpin::proxy {
namespace {

Service service(std::string name, std::vector<std::string> listen, Protocols protocols) {
    Service made;
    made.name = std::move(name);
    for (const std::string& endpoint : listen) made.listen.push_back(*EndpointRange::parse(endpoint));
    made.protocols = protocols;
    made.backends.push_back({*EndpointRange::parse("10.0.0.2:1")});
    return made;
}

TEST(Compile, OneSocketForEachProtocolAndPort) {
    const Ruleset ruleset(
        {service("b", {"1.0.0.1:53", "[fd00::1]:53"}, Protocols::both), service("a", {"1.0.0.1:80"}, Protocols::tcp)});
    std::vector<std::string> got;
    for (const Listen& listen : compile(ruleset)) {
        got.push_back(std::string(name(listen.protocol)) + " " + listen.endpoint.str() + " " + listen.service->name);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"tcp 1.0.0.1:53 b", "tcp 1.0.0.1:80 a", "tcp [fd00::1]:53 b",
                                             "udp 1.0.0.1:53 b", "udp [fd00::1]:53 b"}));
}

TEST(Compile, ALargeRangeIsDealtOutAndASmallOneShared) {
    const Ruleset ruleset({service("large", {"1.0.0.1:10000-19999"}, Protocols::tcp),
                           service("small", {"1.0.0.1:5000-5063"}, Protocols::tcp)});
    std::map<size_t, int> owned;
    for (const Listen& listen : compile(ruleset)) {
        EXPECT_EQ(listen.shared, listen.service->name == "small") << listen.endpoint.str();
        if (!listen.shared) ++owned[listen.owner(4)];
    }
    EXPECT_EQ(owned, (std::map<size_t, int>{{0, 2500}, {1, 2500}, {2, 2500}, {3, 2500}}));
}

TEST(Compile, NothingFromNothing) { EXPECT_TRUE(compile(Ruleset()).empty()); }

}  // namespace
}  // namespace hairpin::proxy
