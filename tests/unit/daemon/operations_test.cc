#include "daemon/operations.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/fake_engine.h"

namespace hairpin {
namespace {

HttpRequest get(std::string path) { return {.method = "GET", .path = std::move(path)}; }

class Operations : public testing::Test {
protected:
    HttpResponse ask(const HttpRequest& request, std::span<const Operation> table = operations()) {
        return answer(table, request, [this](const auto& work) {
            const Desired desired{Ruleset(services_), {}};
            Gateway gateway{engine_, health_, discovery_, desired, desired, loads_, events_, {}};
            gateway.reload = reload_;
            gateway.retired_flows = [this] { return retired_; };
            gateway.administer = [this](Order order, const std::vector<ServiceBackend>& names, const std::string& who) {
                for (const ServiceBackend& backend : names) administration_.carry_out(order, backend);
                asked_by_ = who;
                return administered_;
            };
            work(gateway);
        });
    }

    FakeEngine engine_;
    Administration administration_;
    const BackendHealth health_{[] {}, administration_};
    const BackendDiscovery discovery_{[] {}};
    Loads loads_;
    Events events_;
    std::vector<Service> services_;
    std::function<Reload()> reload_;
    Living retired_;
    Result<> administered_;
    std::string asked_by_;
};

HttpRequest post(std::string path, std::string body = "") {
    return {.method = "POST", .path = std::move(path), .body = std::move(body), .peer = Peer{.pid = 77, .uid = 1000}};
}

TEST_F(Operations, RefuseWhatIsNotInTheTable) {
    const HttpResponse unknown = ask(get("/v1/nonsense"));
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.body, R"({"error":"there is no /v1/nonsense"})");

    HttpRequest other = get("/v1/flows");
    other.method = "DELETE";
    const HttpResponse wrong_method = ask(other);
    EXPECT_EQ(wrong_method.status, 405);
    EXPECT_EQ(wrong_method.allow, "GET, HEAD");
    EXPECT_EQ(wrong_method.body, R"({"error":"/v1/flows can be asked with GET, HEAD"})");

    HttpRequest parameter = get("/v1/status");
    parameter.query["sauce"] = "1";
    EXPECT_EQ(ask(parameter).body, R"({"error":"/v1/status takes no parameters: there is no sauce"})");
    parameter.path = "/v1/flows";
    EXPECT_EQ(ask(parameter).status, 400);
    EXPECT_EQ(ask(parameter).body, R"({"error":"there is no parameter sauce, only source or backend"})");
}

TEST_F(Operations, TellOfWhatLivesInProcessesBeforeAnUpgrade) {
    const Endpoint web = *Endpoint::parse("10.0.0.2:80");
    const Endpoint gone = *Endpoint::parse("10.0.0.3:80");
    ServiceStats here;
    here.service = "web";
    here.active = 1;
    engine_.told_stats = Stats{{here}};
    retired_.counts = {{{"web", web}, 3}, {{"gone", gone}, 2}};
    retired_.listed = {{.service = "web", .client = {}, .backend = {Protocol::tcp, {}, web}}};
    const auto asked = [this](const HttpRequest& request) { return nlohmann::json::parse(ask(request).body); };

    const auto services = asked(get("/v1/stats")).at("services");
    ASSERT_EQ(services.size(), 2u) << services;
    EXPECT_EQ(services[0].at("active"), 4);
    EXPECT_EQ(services[1].at("service"), "gone");
    EXPECT_EQ(services[1].at("active"), 2);
    EXPECT_NE(ask(get("/metrics")).body.find("hairpin_flows_active{service=\"web\"} 4"), std::string::npos);

    HttpRequest flows = get("/v1/flows");
    EXPECT_EQ(asked(flows).at("flows").size(), 1u);
    EXPECT_EQ(asked(flows).at("unlisted"), 4);
    flows.query["backend"] = "10.0.0.3";
    EXPECT_EQ(asked(flows).at("flows").size(), 0u);
    EXPECT_EQ(asked(flows).at("unlisted"), 2) << "any of these may be the one";
}

TEST_F(Operations, TellOfEventsAsAListOrAsAStream) {
    events_.tell({.kind = EventKind::ready, .message = "first"});
    events_.tell({.kind = EventKind::reloaded, .message = "second"});
    const auto listed = [this](const std::string& after) {
        HttpRequest request = get("/v1/events");
        request.query = {{"follow", "false"}};
        if (!after.empty()) request.query["after"] = after;
        std::string messages;
        const auto answer = nlohmann::json::parse(ask(request).body);
        for (const auto& event : answer.at("events")) messages += event.at("message").get<std::string>() + " ";
        return messages;
    };
    const std::string first = std::to_string(events_.last() - 1);
    EXPECT_EQ(listed(""), "first second ");
    EXPECT_EQ(listed(first), "second ");
    EXPECT_EQ(listed("last"), "");

    HttpRequest again = get("/v1/events");
    again.query["after"] = "last";
    again.last_event_id = first;
    const HttpResponse response = ask(again);
    EXPECT_EQ(response.content_type, "text/event-stream");
    ASSERT_TRUE(response.stream);
    EXPECT_EQ(response.stream->first, "id: " + first + "\n\n") << "to go on from";
    EXPECT_EQ(response.stream->next().find("id: " + std::to_string(events_.last()) + "\nevent: reloaded\n"), 0u)
        << "the header overrules";
    EXPECT_EQ(response.stream->next(), "");
    events_.tell({.kind = EventKind::stopping});
    EXPECT_NE(response.stream->next().find("event: stopping"), std::string::npos);
    again.last_event_id.clear();
    EXPECT_EQ(ask(again).stream->first, "id: " + std::to_string(events_.last()) + "\n\n");
    again.query.clear();
    EXPECT_EQ(ask(again).stream->first, "id: " + std::to_string(events_.before_oldest()) + "\n\n");
}

TEST_F(Operations, RefuseToTellOfEventsAfterWhatIsNone) {
    HttpRequest request = get("/v1/events");
    request.query["after"] = "-1";
    EXPECT_EQ(ask(request).status, 400);
    EXPECT_EQ(ask(request).body, R"({"error":"after: '-1' is neither the number of an event nor last"})");
    request.query = {{"follow", "no"}};
    EXPECT_EQ(ask(request).body, R"({"error":"follow: 'no' is neither true nor false"})");
    request.query = {{"Last-Event-ID", "1"}};
    EXPECT_EQ(ask(request).body, R"({"error":"there is no parameter Last-Event-ID, only after or follow"})");
    request.query = {};
    request.last_event_id = "18446744073709551616";
    EXPECT_EQ(ask(request).body, R"({"error":"Last-Event-ID: '18446744073709551616' is not the number of an event"})");
}

TEST_F(Operations, AnswerHeadAsGet) {
    HttpRequest request = get("/v1/stats");
    request.method = "HEAD";
    EXPECT_EQ(ask(request).status, 200);
}

TEST_F(Operations, SayWhatTheEngineCouldNotTell) {
    engine_.told_stats = Error{"the table is gone"};
    const HttpResponse response = ask(get("/v1/stats"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body, R"({"error":"the table is gone"})");
}

TEST_F(Operations, ReloadTellsWhatIsServedOrEveryReason) {
    reload_ = [] { return Reload{{}, "2 services on 3 endpoints"}; };
    HttpResponse response = ask(post("/v1/reload"));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"serving":"2 services on 3 endpoints"})");

    reload_ = [] { return Reload{{"a.yaml:1:1: first", "a.yaml:2:1: second"}, "1 service on 1 endpoint"}; };
    response = ask(post("/v1/reload"));
    EXPECT_EQ(response.status, 422);
    EXPECT_EQ(response.body, R"({"error":"refused, and nothing has changed: still serving 1 service on 1 endpoint",)"
                             R"("errors":["a.yaml:1:1: first","a.yaml:2:1: second"]})");

    reload_ = nullptr;
    response = ask(post("/v1/reload"));
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(response.body, R"({"error":"nothing to reload, the services were given on the command line"})");
    EXPECT_EQ(ask(get("/v1/reload")).allow, "POST");
}

Service web() {
    Service web;
    web.name = "web";
    web.listen = {*EndpointRange::parse("1.0.0.1:80")};
    web.backends = {{*EndpointRange::parse("10.0.0.2:80")}, {*EndpointRange::parse("10.0.0.3:80")}};
    return web;
}

TEST_F(Operations, TakeABackendOutAndSayWhatLivesThere) {
    services_ = {web()};
    const auto flow_to = [](std::string_view backend, bool ended = false) {
        return LiveFlow{
            .service = "web", .client = {}, .backend = {Protocol::tcp, {}, *Endpoint::parse(backend)}, .ended = ended};
    };
    engine_.told_flows = {flow_to("10.0.0.2:80"), flow_to("10.0.0.2:80"), flow_to("10.0.0.2:80", true),
                          flow_to("10.0.0.3:80")};
    HttpResponse response = ask(post("/v1/backends/drain", R"({"backend": "10.0.0.2:80", "service": "web"})"));
    EXPECT_EQ(response.status, 200) << response.body;
    const auto told = nlohmann::json::parse(response.body).at("backends");
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].at("backend"), "10.0.0.2:80");
    EXPECT_EQ(told[0].at("state"), "draining");
    EXPECT_EQ(told[0].at("active"), 2);
    EXPECT_EQ(asked_by_, "uid 1000, pid 77");

    EXPECT_EQ(ask(post("/v1/backends/disable", R"({"backend": "10.0.0.3"})")).status, 200);
    EXPECT_EQ(administration_.duty({"web", *EndpointRange::parse("10.0.0.3:80")}), Duty::disabled);
    administered_ = Error{"the table is gone"};
    response = ask(post("/v1/backends/enable", R"({"backend": "10.0.0.3"})"));
    EXPECT_EQ(response.status, 500);
    EXPECT_EQ(response.body, R"({"error":"the table is gone"})");
}

TEST_F(Operations, RefuseABodyThatIsNoOrder) {
    services_ = {web()};
    struct Wrong {
        const char* body;
        int status;
        const char* message;
    };
    for (const Wrong& wrong :
         {Wrong{"", 400, R"(the body must be a JSON object, {"backend": "10.0.0.2:80"})"},
          Wrong{"{\"backend\": ", 400, R"(the body must be a JSON object, {"backend": "10.0.0.2:80"})"},
          Wrong{R"(["10.0.0.2:80"])", 400, R"(the body must be a JSON object, {"backend": "10.0.0.2:80"})"},
          Wrong{"{}", 400, "backend is missing: ADDRESS:PORT, or ADDRESS for all its ports"},
          Wrong{R"({"backend": 80})", 400, "backend must be a text that is not empty"},
          Wrong{R"({"backend": "10.0.0.2", "service": null})", 400, "service must be a text that is not empty"},
          Wrong{R"({"backend": "10.0.0.2", "wait": true})", 400, "there is no member 'wait', only backend and service"},
          Wrong{R"({"backend": "srv1"})", 400, "backend: 'srv1' is neither an address nor ADDRESS:PORT"},
          Wrong{R"({"backend": "10.0.0.2:81"})", 404, "there is no backend 10.0.0.2:81: near it are 10.0.0.2:80"},
          Wrong{R"({"backend": "10.0.0.2", "service": "wob"})", 404, "there is no service 'wob': did you mean web?"}}) {
        const HttpResponse response = ask(post("/v1/backends/drain", wrong.body));
        EXPECT_EQ(response.status, wrong.status) << wrong.body;
        EXPECT_EQ(nlohmann::json::parse(response.body).at("error"), wrong.message) << wrong.body;
    }
    EXPECT_TRUE(administration_.empty());
}

TEST_F(Operations, ThatChangeSomethingAreLoggedWithWhoAsked) {
    constexpr auto table = std::to_array<Operation>(
        {{"GET",
          "/v1/thing",
          "shows the thing",
          {},
          {},
          {},
          {},
          [](const auto&, const auto&) { return HttpResponse{}; }},
         {"POST", "/v1/thing", "turns the thing", {}, {}, {}, {}, [](const auto& request, const auto&) {
              return HttpResponse{.body = request.body};
          }}});
    std::ostringstream log;
    const auto usual = spdlog::default_logger();
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_st>(log)));

    EXPECT_EQ(ask(get("/v1/thing"), table).status, 200);
    EXPECT_EQ(log.str(), "");
    HttpRequest change{.method = "POST", .path = "/v1/thing", .body = "{}", .peer = Peer{.pid = 77, .uid = 1000}};
    EXPECT_EQ(ask(change, table).body, "{}");
    EXPECT_NE(log.str().find("API: POST /v1/thing, by uid 1000, pid 77: turns the thing"), std::string::npos)
        << log.str();
    change.method = "PUT";
    EXPECT_EQ(ask(change, table).allow, "GET, HEAD, POST");

    spdlog::set_default_logger(usual);
}

}  // namespace
}  // namespace hairpin
