// What `hairpin status` and `hairpin services` print.
#include "cli/status_view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace hairpin {
namespace {

using nlohmann::json;

const json services = json::parse(R"({"services": [
    {"service": "web", "listen": ["1.0.0.1:80", "1.0.0.1:443"], "links": [], "protocol": "tcp", "balance": "maglev", "backends_up": 1,
     "backends": 2, "active": 12, "accepted": 345, "refused": 0, "bytes_to_backends": 812, "bytes_to_clients": 1500000}
]})");

json status() {
    return json::parse(R"({"version": "1.2.3", "pid": 4711, "engine": "nft", "network_namespace": "net:[1]",
        "uptime_ms": 259200000, "services": 1, "endpoints": 2, "configuration": {"origin": "/etc/hairpin/hairpin.yaml",
        "loaded_at": "2026-01-31T12:00:00Z", "refused": null}, "problems": [], "remarks": []})");
}

TEST(StatusPage, SaysWhoServesWhatAndThatAllIsWell) {
    EXPECT_EQ(
        status_page(status(), services),
        "hairpin 1.2.3, engine nft, pid 4711, up 3 d: 1 service on 2 endpoints\n"
        "configuration: /etc/hairpin/hairpin.yaml, loaded 2026-01-31T12:00:00Z\n"
        "\n"
        "service  listens at             protocol  balance   up  active  accepted  refused  to backends  to clients\n"
        "web      1.0.0.1:80 and 1 more  tcp       maglev   1/2      12       345        0        812 B     1.4 MiB\n"
        "\n"
        "nothing is wrong\n");
}

TEST(StatusPage, NamesLinksThatHaveNoAddress) {
    json waiting = services;
    waiting["services"][0]["listen"] = json::array();
    waiting["services"][0]["links"] = {"ppp0:80", "eth0:80"};
    EXPECT_NE(status_page(status(), waiting).find("\nweb      ppp0:80 and 1 more "), std::string::npos)
        << status_page(status(), waiting);
}

TEST(StatusPage, SaysWhatIsWrong) {
    json ill = status();
    ill["problems"] =
        json::parse(R"([{"kind": "backend", "message": "service web: backend 10.0.0.2:80 is down: refused"},
                                      {"kind": "reload", "message": "the configuration was refused: first"}])");
    ill["configuration"]["refused"] = {{"at", "2026-01-31T13:00:00Z"}, {"reasons", {"first", "second"}}};
    EXPECT_TRUE(status_page(ill, services)
                    .ends_with("\n2 problems:\n"
                               "  service web: backend 10.0.0.2:80 is down: refused\n"
                               "  the configuration was refused: first\n"
                               "    second\n"))
        << status_page(ill, services);
}

TEST(StatusPage, EndsWithWhatIsWorthALook) {
    json watched = status();
    watched["remarks"] = {"a firewall may be in the way"};
    EXPECT_TRUE(status_page(watched, services)
                    .ends_with("\nnothing is wrong\n\nworth a look:\n  a firewall may be in the way\n"))
        << status_page(watched, services);
}

}  // namespace
}  // namespace hairpin
