#include "daemon/status.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/fake_engine.h"

namespace hairpin {
namespace {

using nlohmann::json;

Service service(const std::string& name, const std::string& listen, Protocols protocols = Protocols::tcp) {
    Service service;
    service.name = name;
    service.listen = {*EndpointRange::parse(listen)};
    service.protocols = protocols;
    service.backends = {{*EndpointRange::parse("10.0.0.2:80")}, {*EndpointRange::parse("10.0.0.3:80")}};
    return service;
}

class Status : public testing::Test {
protected:
    Gateway gateway() {
        return {engine_, health_, discovery_, desired_, desired_, loads_, events_, std::chrono::steady_clock::now()};
    }

    FakeEngine engine_;
    Administration administration_;
    const BackendHealth health_{[] {}, administration_};
    const BackendDiscovery discovery_{[] {}};
    Loads loads_;
    Events events_;
    Desired desired_{Ruleset({service("web", "127.0.0.1:80"), service("dns", "127.0.0.1:53", Protocols::both)}), {}};
};

TEST_F(Status, CountsEndpointsByProtocolAndPort) {
    EXPECT_EQ(endpoint_count(desired_.ruleset.services()), 3u);
    EXPECT_EQ(endpoint_count({service("range", "127.0.0.1:1000-1009", Protocols::both)}), 20u);
}

TEST_F(Status, TellsOfARefusedReloadUntilOneIsAccepted) {
    loads_.accept("a.yaml");
    loads_.begin();
    EXPECT_FALSE(loads_.holds({"a.yaml:1:1: first", "a.yaml:2:1: second"}));
    loads_.refuse();
    json status = status_json(gateway());
    EXPECT_EQ(status.at("configuration").at("origin"), "a.yaml");
    EXPECT_EQ(status.at("configuration").at("refused").at("reasons"),
              (json{"a.yaml:1:1: first", "a.yaml:2:1: second"}));
    const auto told = [&](std::string_view kind) {
        const json problems = status.at("problems");
        return std::ranges::any_of(problems, [&](const json& problem) { return problem.at("kind") == kind; });
    };
    EXPECT_TRUE(told("reload")) << status.dump();

    loads_.begin();
    EXPECT_TRUE(loads_.holds({}));
    loads_.accept("");
    status = status_json(gateway());
    EXPECT_FALSE(told("reload")) << status.dump();
    EXPECT_EQ(status.at("configuration").at("origin"), "the command line");
    EXPECT_TRUE(status.at("configuration").at("refused").is_null());
}

TEST_F(Status, TellsWhereAnOperatorHasTakenOutAllBackends) {
    administration_.carry_out(Order::disable, {"web", *EndpointRange::parse("10.0.0.2:80")});
    EXPECT_EQ(json(status_json(gateway())).at("problems"), json::array());
    Gateway seen = gateway();
    EXPECT_EQ(json(*services_json(seen)).at("services")[0].at("backends_up"), 1);
    administration_.carry_out(Order::drain, {"web", *EndpointRange::parse("10.0.0.3:80")});
    const json problems = json(status_json(gateway())).at("problems");
    ASSERT_EQ(problems.size(), 1u) << problems.dump();
    EXPECT_EQ(problems[0].at("message"), "service web: all its backends are taken out: new flows are refused");
}

TEST_F(Status, TellsWhichEndpointsTheGatewayHasNoAddressFor) {
    desired_ = {Ruleset({service("web", "1.0.0.1:80")}), Topology({}, {}, {})};
    engine_.told_abilities.foreign_source = false;
    const json problems = json(status_json(gateway())).at("problems");
    EXPECT_EQ(
        problems,
        json::parse(R"([{"kind": "endpoint", "message": "service web: nobody reaches 1.0.0.1:80: this machine has )"
                    R"(no address 1.0.0.1 now"}])"));
}

TEST_F(Status, AddsUpWhatTheEngineCounted) {
    ServiceStats dns;
    dns.service = "dns";
    dns.active = 2;
    dns.accepted = {1, 2, 3, 4, 5};
    dns.refused[0] = 7;
    dns.bytes_to_backends = 100;
    ServiceStats gone = dns;
    gone.service = "gone";
    engine_.told_stats = Stats{{dns, gone}};
    Gateway seen = gateway();
    const auto services = services_json(seen);
    ASSERT_TRUE(services);
    const json list = json(*services).at("services");
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list.at(0).at("service"), "web");
    EXPECT_EQ(list.at(0).at("active"), 0);
    EXPECT_EQ(list.at(1).at("listen"), json{"127.0.0.1:53"});
    EXPECT_EQ(list.at(1).at("protocol"), "both");
    EXPECT_EQ(list.at(1).at("backends_up"), 2);
    EXPECT_EQ(list.at(1).at("accepted"), 15);
    EXPECT_EQ(list.at(1).at("refused"), 7);
}

}  // namespace
}  // namespace hairpin
