#include "daemon/api_schemas.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/administration.h"
#include "model/event.h"
#include "model/service.h"
#include "model/stats.h"

namespace hairpin {
namespace {

using nlohmann::ordered_json;

ordered_json value(std::string_view type, std::string_view description) {
    return {{"type", type}, {"description", description}};
}

ordered_json text(std::string_view description) { return value("string", description); }
ordered_json flag(std::string_view description) { return value("boolean", description); }
ordered_json number(std::string_view description) {
    ordered_json schema = value("integer", description);
    schema["minimum"] = 0;
    return schema;
}

ordered_json or_null(ordered_json schema) {
    schema["type"] = {schema["type"], "null"};
    if (schema.contains("enum")) schema["enum"].push_back(nullptr);
    return schema;
}

// One of the names of an enumeration.
template <class E>
ordered_json one_of(std::string_view description) {
    ordered_json schema = text(description);
    schema["enum"] = names_of<E>;
    return schema;
}

ordered_json list_of(ordered_json item, std::string_view description) {
    ordered_json schema = value("array", description);
    schema["items"] = std::move(item);
    return schema;
}

struct Member {
    std::string name;
    ordered_json schema;
    bool optional = false;
};

// Later versions may have members that it does not name.
ordered_json object(std::vector<Member> members) {
    auto properties = ordered_json::object();
    auto required = ordered_json::array();
    for (Member& member : members) {
        if (!member.optional) required.push_back(member.name);
        properties[member.name] = std::move(member.schema);
    }
    return {{"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

ordered_json described(ordered_json schema, std::string_view description) {
    schema["description"] = description;
    return schema;
}

// A count for each name of an enumeration.
template <class E>
ordered_json counts(std::string_view description) {
    auto properties = ordered_json::object();
    for (const std::string_view name : names_of<E>)
        properties[std::string(name)] = {{"type", "integer"}, {"minimum", 0}};
    return {{"type", "object"},
            {"description", description},
            {"properties", std::move(properties)},
            {"required", names_of<E>}};
}

ordered_json status() {
    const ordered_json refused =
        described(or_null(object({{"at", text("when, RFC 3339, in UTC")},
                                  {"reasons", list_of({{"type", "string"}}, "every reason")}})),
                  "the reload since, whose configuration was refused; null: there is none");
    const ordered_json configuration = object({{"origin", text("the file; empty: the command line")},
                                               {"loaded_at", text("when it came to be served, RFC 3339, in UTC")},
                                               {"refused", refused}});
    ordered_json kind = text("what it is about");
    kind["enum"] = {"backend", "service", "name",   "endpoint", "checks",  "network",
                    "engine",  "kernel",  "reload", "restart",  "stopping"};
    const ordered_json problem = object({{"kind", kind}, {"message", text("for people")}});
    return object({{"version", text("of hairpin")},
                   {"pid", number("of the daemon")},
                   {"engine", text("which carries the traffic")},
                   {"network_namespace", text("where it serves, as /proc/PID/ns/net has it")},
                   {"uptime_ms", number("since it began, in milliseconds")},
                   {"services", number("that are configured")},
                   {"endpoints", number("where they listen: of each protocol and each port one")},
                   {"configuration", configuration},
                   {"problems", list_of(problem, "what is wrong now; empty: all is well")},
                   {"remarks", list_of({{"type", "string"}}, "what may keep some clients out, and what helps")}});
}

ordered_json services() {
    return object(
        {{"services",
          list_of(object({{"service", text("its name")},
                          {"listen", list_of({{"type", "string"}}, "endpoints, ADDRESS:PORT or ADDRESS:PORTS")},
                          {"links", list_of({{"type", "string"}}, "links whose addresses it listens on, LINK:PORT")},
                          {"protocol", one_of<Protocols>("what it serves")},
                          {"balance", one_of<Balance>("how a backend is chosen")},
                          {"backends_up", number("how many of its backends are up, as far as is known")},
                          {"backends", number("how many it has")},
                          {"active", number("connections and sessions alive now, also in processes before an upgrade")},
                          {"accepted", number("that reached a backend")},
                          {"refused", number("that were not served")},
                          {"bytes_to_backends", number("payload; of engines in the kernel, with headers")},
                          {"bytes_to_clients", number("likewise")}}),
                  "in the order of the configuration; what counts does so since the engine began")}});
}

ordered_json stats() {
    const ordered_json backend = object({{"backend", text("ADDRESS:PORT or ADDRESS:PORTS")},
                                         {"path", one_of<Path>("where its clients stood")},
                                         {"accepted", number("that reached it on this path")}});
    return object(
        {{"services",
          list_of(object({{"service", text("its name")},
                          {"active", number("connections and sessions alive now, also in processes before an upgrade")},
                          {"accepted", counts<Path>("that reached a backend, by path")},
                          {"refused", counts<Refusal>("that were not served, by reason")},
                          {"bytes_to_backends", number("payload; of engines in the kernel, with headers")},
                          {"bytes_to_clients", number("likewise")},
                          {"backends", list_of(backend,
                                               "that something came to; counted anew after they were "
                                               "out of service, except with nft")}}),
                  "those that are served, then those served no more of which something lives")}});
}

ordered_json backends() {
    ordered_json state = text(
        "`unchecked`: without a check, or before the first one; `draining` and `disabled` are an operator's; "
        "`unresolved`: a name that DNS has no answer for");
    state["enum"] = {"up", "down", "unchecked", "draining", "disabled", "unresolved"};
    return object(
        {{"backends",
          list_of(
              object(
                  {{"service", text("whose it is")},
                   {"backend", text("ADDRESS:PORT or ADDRESS:PORTS; NAME:PORT where that is not resolved")},
                   {"name", or_null(text("that it comes from; null: an address is configured"))},
                   {"state", state},
                   {"serving", flag("whether new flows are led to it")},
                   {"backup", flag("whether it takes flows only while no other backend does")},
                   {"check", or_null(text("how it is asked for its health; null: nobody asks it"))},
                   {"reason", or_null(text("why its last check failed, or what clients met there (health.passive); "
                                           "null: nothing of that"))},
                   {"in_a_row",
                    or_null(number("checks that ended as the last one; where clients took it down, they count, too"))},
                   {"for_ms", or_null(number("since it went up or down, or was first checked, in milliseconds"))},
                   {"active",
                    number("connections and sessions that live there, also in processes before an upgrade")}}),
              "in the order of the services")}});
}

ordered_json flows() {
    const ordered_json flow = object({{"service", text("that is asked")},
                                      {"protocol", one_of<Protocol>("tcp or udp")},
                                      {"path", one_of<Path>("where the client stands")},
                                      {"client", text("who asks, ADDRESS:PORT")},
                                      {"asked", text("the endpoint of the service")},
                                      {"source", text("the client as the backend sees it")},
                                      {"backend", text("who answers")},
                                      {"bytes_to_backend", or_null(number("null: the kernel keeps no count"))},
                                      {"bytes_to_client", or_null(number("likewise"))},
                                      {"age_ms", or_null(number("in milliseconds; null: nobody knows"))},
                                      {"ended", flag("it is over, and remembered for what may still come")}});
    return object({{"flows", list_of(flow, "in no order; of each process before an upgrade 1000 at most")},
                   {"unlisted", number("that live beyond these, at such a backend")}});
}

ordered_json event() {
    return object({{"number", number("grows by one from event to event, and with each start of the gateway by more")},
                   {"time", text("when, RFC 3339, in UTC, to the millisecond")},
                   {"kind", one_of<EventKind>("what has happened; docs/events.md says what each means")},
                   {"level", one_of<Event::Level>("how bad that is")},
                   {"message", text("for people")},
                   {"service", text("that it is about"), true},
                   {"backend", text("likewise, ADDRESS:PORT or ADDRESS:PORTS"), true},
                   {"link", text("likewise, on which services listen"), true},
                   {"name", text("likewise, of backends in DNS"), true},
                   {"limit", text("likewise, of the service, as in the configuration"), true},
                   {"reason", text("why"), true},
                   {"by", text("who has found it out, or has asked for it"), true},
                   {"addresses", list_of({{"type", "string"}}, "that the link bears, or the name stands for"), true},
                   {"reasons", list_of({{"type", "string"}}, "against a configuration, the first of them"), true}});
}

ordered_json explanation() {
    const ordered_json leg =
        object({{"from", text("client, gateway or backend")},
                {"to", text("likewise")},
                {"source", text("of its packets, ADDRESS:PORT; `any` is what nobody can know yet")},
                {"destination", text("likewise")}});
    const ordered_json engine = object(
        {{"engine", text("which carries the traffic")},
         {"source", or_null(one_of<SourcePolicy>("what the backend takes for its client; null: there is no way"))},
         {"reason", text("why that, or why there is no way")},
         {"problem", text("why the flow will fail; empty: it will not")},
         {"legs", list_of(leg, "there, and back; empty: there is no way")}});
    const ordered_json backend = object({{"backend", text("ADDRESS:PORT")},
                                         {"weight", number("0: it takes no new flows")},
                                         {"path", one_of<Path>("where the client stands")},
                                         {"reason", text("why there")},
                                         {"route_to_client", text("of the gateway, for people")},
                                         {"route_to_backend", text("likewise")},
                                         {"engines", list_of(engine, "the one that runs")}});
    const ordered_json service = object({{"name", text("its name")},
                                         {"backends", number("among which it chooses")},
                                         {"source", text("its source policy")},
                                         {"balance", one_of<Balance>("how it chooses")},
                                         {"self", one_of<SelfPolicy>("what a client gets that is a backend itself")},
                                         {"send_proxy", one_of<ProxyHeader>("what tells the backend who calls")},
                                         {"limits", described(value("object", ""), "how much it takes, by limit")}});
    const ordered_json denied = object({{"list", text("allow or deny")}, {"prefix", or_null(text("that it is in"))}});
    return object(
        {{"protocol", one_of<Protocol>("tcp or udp")},
         {"client", text("who calls, ADDRESS:PORT")},
         {"endpoint", text("what it calls, ADDRESS:PORT")},
         {"network", text("whose addresses and routes these are")},
         {"listen", or_null(text("the endpoints of the service that this is one of; null: no service listens there"))},
         {"service", described(or_null(service), "who listens there; null: nobody")},
         {"client_unknown", flag("whether a PROXY header will tell who it is")},
         {"admission", or_null(text("what the lists of the service say of the client; null: it has none"))},
         {"denied", described(or_null(denied), "by which list the client is not let in; null: it is")},
         {"counted_as", or_null(text("the client, as limits count it; null: none do"))},
         {"chosen", list_of(object({{"engine", text("which chooses")}, {"backend", text("ADDRESS:PORT")}}),
                            "whom the client gets by its address; empty: they take turns, or it is unknown")},
         {"backends", list_of(backend, "that it could get")},
         {"notes", list_of({{"type", "string"}}, "for people: who takes no new flows, what the engine cannot do")}});
}

ordered_json order() {
    ordered_json body =
        object({{"backend", text("ADDRESS:PORT as the list of backends has it, or ADDRESS for all its ports")},
                {"service", text("in this one only; without it: in all"), true}});
    body["additionalProperties"] = false;
    return body;
}

ordered_json error() {
    return object(
        {{"error", text("what is wrong, for people")},
         {"errors", list_of({{"type", "string"}}, "of a refused configuration: every reason, with its place"), true}});
}

}  // namespace

ordered_json api_schemas() {
    return {{"Status", status()},
            {"Services", services()},
            {"Stats", stats()},
            {"Backends", backends()},
            {"Flows", flows()},
            {"Event", event()},
            {"Events", object({{"events", list_of({{"$ref", "#/components/schemas/Event"}}, "the oldest first")}})},
            {"Explanation", explanation()},
            {"Order", order()},
            {"Reloaded", object({{"serving", text("what is served now, for people")}})},
            {"Upgraded", object({{"pid", number("of the process that serves now")}})},
            {"Document", value("object", "an OpenAPI document, this one")},
            {"Error", error()}};
}

}  // namespace hairpin
