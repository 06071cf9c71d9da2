#include "config/parse_settings.h"

#include <algorithm>

namespace hairpin {
namespace {

bool takes(const EndpointRange& listen, const Endpoint& endpoint) {
    const bool there =
        listen.ip == endpoint.ip || (listen.ip.is_unspecified() && listen.ip.family() == endpoint.ip.family());
    return there && listen.ports.contains(endpoint.port);
}

}  // namespace

void SettingsParser::read(const Key& key, yaml::Node value) {
    if (key.name == "engine") {
        if (const auto word = reader_.word(key, value)) settings_.engine = *word;
    } else if (key.name == "threads") {
        if (const auto count = reader_.count(key, value)) settings_.threads = static_cast<int>(*count);
    } else if (key.name == "sysctls") {
        if (const auto word = reader_.word(key, value)) settings_.set_sysctls = *word == "set";
    } else if (key.name == "drain_timeout") {
        if (const auto duration = reader_.duration(key, value)) settings_.drain_timeout = *duration;
    } else if (key.name == "api") {
        reader_.each_key(value, key.label(), key.path(),
                         [&](const Key& part, yaml::Node part_value) { read_api(part, part_value); });
    } else if (key.name == "resolvers") {
        reader_.each_item(key, value, [&](yaml::Node item, const std::string& label) {
            if (const auto server = reader_.parsed<Endpoint>(label, item)) settings_.resolvers.push_back(*server);
        });
    }
}

void SettingsParser::read_api(const Key& key, yaml::Node value) {
    ApiSettings& api = settings_.api;
    if (key.name == "listen") {
        const auto listen = reader_.parsed<Endpoint>(key.label(), value);
        if (listen && !listen->ip.is_loopback()) {
            reader_.complain(value.mark(), key.label(),
                             listen->ip.str() +
                                 " is no loopback address: the API asks for no password, so it may "
                                 "be reached from this machine alone; write 127.0.0.1:PORT");
        }
        if (listen) api.listen = *listen;
        api_listen_ = value.mark();
    } else if (const auto text = reader_.text(key.label(), value)) {
        if (key.name == "group") {
            api.group = *text;
            api_group_ = value.mark();
        } else {
            api.socket = *text == "none" ? "" : *text;
        }
    }
}

void SettingsParser::validate(const std::vector<Service>& services) const {
    const ApiSettings& api = settings_.api;
    if (api_group_ && api.socket == "") {
        reader_.complain(*api_group_, "api.group", "there is no socket to give to it; remove it, or 'socket: none'");
    }
    if (!api.listen) return;
    for (const Service& service : services) {
        const bool taken = includes(service.protocols, Protocol::tcp) &&
                           std::ranges::any_of(service.listen,
                                               [&](const EndpointRange& listen) { return takes(listen, *api.listen); });
        if (!taken) continue;
        reader_.complain(*api_listen_, "api.listen",
                         "service " + service.name + " listens on " + api.listen->str() + "; give one another port");
        return;
    }
}

}  // namespace hairpin
