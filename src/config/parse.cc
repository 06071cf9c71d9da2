// YAML text to a Config: one method of FileParser per mapping that the file may hold.
#include <algorithm>
#include <optional>

#include "config/parse_health.h"
#include "config/parse_settings.h"
#include "config/reader.h"

namespace hairpin {
namespace {

using Mark = Config::Mark;
using yaml::Node;

// Each service gets a copy of these prefixes in `defaults`; together they stay within what a file could spell out.
constexpr size_t max_copied_prefixes = 1'000'000;

// A further address for all that a service listens on.
struct Also {
    Ip ip;
    Node item;
    std::string label;
};

// A service as far as it has been read, with the places of the values that it gives itself.
struct Draft {
    Service service;
    std::vector<Also> also;
    std::vector<Mark> marks;
    bool protocol_known = true;

    void mark(Place::Key key, size_t index, Node node, std::string label) {
        const yaml::Mark place = node.mark();
        marks.push_back({{0, key, index}, place.line, place.column, std::move(label)});
    }
    size_t prefixes() const { return service.source_map.size() + service.accept_proxy_from.size() + also.size(); }
};

class FileParser {
public:
    explicit FileParser(std::string origin) : reader_(origin) { config_.origin = std::move(origin); }

    Config parse(std::string_view text) {
        const auto parsed = yaml::parse(text);
        if (const auto* failure = std::get_if<yaml::Failure>(&parsed)) {
            reader_.complain(failure->mark, "", failure->message);
        } else {
            read_file(std::get<yaml::Document>(parsed));
            validate_what_was_read();
        }
        config_.errors = std::move(reader_).complaints();
        if (!config_.errors.empty()) {
            config_.services.clear();
            config_.marks.clear();
        }
        return std::move(config_);
    }

private:
    void read_file(const yaml::Document& document) {
        const auto no_services = [&](yaml::Mark mark) {
            reader_.complain(mark, "",
                             "no services: write 'services:' and below it NAME: {listen: ADDRESS:PORT, backends: "
                             "[ADDRESS:PORT]}");
        };
        if (document.empty()) return no_services({});
        const Node root = document.root();
        if (root.kind() == yaml::Kind::scalar && root.text().empty()) return no_services({});
        std::optional<Node> services;
        reader_.each_key(root, "", "", [&](const Key& key, Node value) {
            if (key.name == "services") {
                services = value;
            } else if (key.name == "defaults") {
                reader_.each_key(value, key.label(), key.path(), [&](const Key& default_key, Node default_value) {
                    read_service_key(default_key, default_value, defaults_);
                });
            } else {
                settings_.read(key, value);
            }
        });
        // Last, for `defaults` may stand behind them.
        if (services) return read_services(*services, no_services);
        if (root.kind() == yaml::Kind::mapping) no_services({});
    }

    template <class Refuse>
    void read_services(Node services, Refuse no_services) {
        if (services.kind() == yaml::Kind::mapping ? services.entries().empty() : services.text().empty()) {
            if (services.kind() != yaml::Kind::sequence) return no_services(services.mark());
        }
        size_t copied = 0;
        reader_.each_entry(services, "services", [&](Node name, Node value) {
            copied += defaults_.prefixes();
            if (copied <= max_copied_prefixes) return read_service(name, value);
            if (copied - defaults_.prefixes() <= max_copied_prefixes) {
                reader_.complain(name.mark(), "", "too many services for so many prefixes in 'defaults'");
            }
        });
        add_marks(defaults_, Config::of_defaults);
        std::ranges::sort(config_.marks, {}, &Mark::place);
    }

    void add_marks(Draft& draft, size_t service) {
        for (Mark& mark : draft.marks) {
            mark.place.service = service;
            config_.marks.push_back(std::move(mark));
        }
    }

    void read_service(Node name, Node value) {
        Draft draft{defaults_.service, defaults_.also, {}, defaults_.protocol_known};
        draft.service.name = name.text();
        if (!is_service_name(name.text())) {
            draft.service.name = in_quotes(name.text());
            reader_.complain(name.mark(), draft.service.name,
                             "cannot be a service's name: use up to 63 of A-Z a-z 0-9 _ . -");
        }
        draft.mark(Place::Key::service, 0, name, draft.service.name);
        bool listens = false;
        bool has_backends = false;
        reader_.each_key(value, draft.service.name, "services.*", [&](const Key& key, Node key_value) {
            listens |= key.name == "listen";
            has_backends |= key.name == "backends";
            read_service_key(key, key_value, draft);
        });
        if (value.kind() == yaml::Kind::mapping) {
            const auto lacks = [&](std::string_view what) {
                reader_.complain(name.mark(), draft.service.name, "lacks " + std::string(what));
            };
            if (!listens) lacks("'listen': write the external endpoint, listen: ADDRESS:PORT or LINK:PORT");
            if (!has_backends) lacks("'backends': write the servers behind it, backends: [ADDRESS:PORT]");
        }
        listen_also(draft);
        if (!draft.protocol_known) unknown_protocol_.push_back(config_.services.size());
        add_marks(draft, config_.services.size());
        config_.services.push_back(std::move(draft.service));
    }

    void read_service_key(const Key& key, Node value, Draft& draft) {
        Service& service = draft.service;
        if (key.name == "listen") {
            reader_.each_item(key, value,
                              [&](Node item, const std::string& label) { read_listen(item, label, draft); });
        } else if (key.name == "also") {
            draft.also.clear();
            reader_.each_item(key, value, [&](Node item, const std::string& label) {
                if (const auto ip = reader_.parsed<Ip>(label, item)) draft.also.push_back({*ip, item, label});
            });
        } else if (key.name == "backends") {
            reader_.each_item(key, value,
                              [&](Node item, const std::string& label) { read_backend(key, item, label, draft); });
        } else if (key.name == "balance") {
            if (const auto balance = reader_.choice<Balance>(key, value)) service.balance = *balance;
        } else if (key.name == "self") {
            if (const auto self = reader_.choice<SelfPolicy>(key, value)) service.self = *self;
        } else if (key.name == "protocol") {
            const auto protocols = reader_.choice<Protocols>(key, value);
            if (protocols) service.protocols = *protocols;
            draft.protocol_known = protocols.has_value();
        } else if (key.name == "source") {
            read_source(key, value, draft);
        } else if (key.name == "allow") {
            service.allow = prefixes(key, value, Place::Key::allow, draft);
        } else if (key.name == "deny") {
            service.deny = prefixes(key, value, Place::Key::deny, draft);
        } else if (key.name == "limits") {
            read_limits(key, value, service);
        } else if (key.name == "proxy_protocol") {
            read_proxy_protocol(key, value, draft);
        } else if (key.name == "connect_timeout") {
            if (const auto duration = reader_.duration(key, value)) service.connect_timeout = *duration;
        } else if (key.name == "idle_timeout") {
            if (const auto duration = reader_.duration(key, value)) service.idle_timeout = *duration;
        } else if (key.name == "tcp_idle_timeout") {
            if (const auto duration = reader_.duration(key, value)) service.tcp_idle_timeout = *duration;
        } else if (key.name == "drain_timeout") {
            if (const auto duration = reader_.duration(key, value)) service.drain_timeout = *duration;
        } else if (key.name == "max_sessions") {
            if (const auto count = reader_.count(key, value)) service.max_sessions = static_cast<uint32_t>(*count);
        } else if (key.name == "health") {
            read_health(key, value, draft);
        }
    }

    void read_listen(Node item, const std::string& label, Draft& draft) {
        Service& service = draft.service;
        if (LinkListen::is_meant(item.text())) {
            const auto on = reader_.parsed<LinkListen>(label, item);
            if (!on) return;
            draft.mark(Place::Key::listen_links, service.listen_links.size(), item, label);
            return service.listen_links.push_back(*on);
        }
        const auto endpoint = reader_.parsed<EndpointRange>(label, item);
        if (!endpoint) return;
        draft.mark(Place::Key::listen, service.listen.size(), item, label);
        service.listen.push_back(*endpoint);
    }

    // The ports that the service listens on, at further addresses.
    static void listen_also(Draft& draft) {
        Service& service = draft.service;
        std::vector<PortRange> ports;
        const auto add = [&](const PortRange& range) {
            if (std::ranges::count(ports, range) == 0) ports.push_back(range);
        };
        for (const EndpointRange& listen : service.listen) add(listen.ports);
        for (const LinkListen& on : service.listen_links) add(on.ports);
        for (const Also& also : draft.also) {
            for (const PortRange& range : ports) {
                draft.mark(Place::Key::listen, service.listen.size(), also.item, also.label);
                service.listen.push_back({also.ip, range});
            }
        }
    }

    PrefixList prefixes(const Key& key, Node value, Place::Key place, Draft& draft) {
        std::vector<Prefix> prefixes;
        reader_.each_item(key, value, [&](Node item, const std::string& label) {
            const auto prefix = reader_.parsed<Prefix>(label, item);
            if (!prefix) return;
            draft.mark(place, prefixes.size(), item, label);
            prefixes.push_back(*prefix);
        });
        return PrefixList(std::move(prefixes));
    }

    void read_health(const Key& key, Node value, Draft& draft) {
        draft.mark(Place::Key::health, 0, value, key.label());
        draft.service.health = {};
        if (auto check = parse_health(reader_, key, value)) draft.service.health = *std::move(check);
    }

    // A backend as it is written: an endpoint, a name, or a mapping of more.
    struct Written {
        std::optional<Node> endpoint;
        std::optional<Node> srv;
        std::optional<Node> weight;
        Backend terms;  // its weight and whether it is a backup
    };

    void read_backend(const Key& key, Node item, const std::string& label, Draft& draft) {
        if (item.kind() != yaml::Kind::mapping) return add_backend(item, label, {}, draft);
        Written written;
        reader_.each_key(item, label, key.path(), [&](const Key& part, Node value) {
            if (part.name == "endpoint") {
                written.endpoint = value;
            } else if (part.name == "srv") {
                written.srv = value;
            } else if (part.name == "backup") {
                if (const auto word = reader_.word(part, value)) written.terms.backup = *word == "true";
            } else {
                written.weight = value;
                if (const auto count = reader_.count(part, value)) written.terms.weight = static_cast<uint32_t>(*count);
            }
        });
        if (written.srv) return add_srv(written, label, draft);
        if (written.endpoint) return add_backend(*written.endpoint, label + ".endpoint", written.terms, draft);
        reader_.complain(item.mark(), label,
                         "lacks 'endpoint': write {endpoint: ADDRESS:PORT, weight: 2}, or {srv: NAME}");
    }

    void add_srv(const Written& written, const std::string& label, Draft& draft) {
        if (written.endpoint) {
            reader_.complain(written.endpoint->mark(), label, "has both 'endpoint' and 'srv'; remove one");
        }
        if (written.weight) {
            reader_.complain(written.weight->mark(), label + ".weight", "comes from the SRV records; remove it");
        }
        const auto text = reader_.text(label + ".srv", *written.srv);
        if (!text) return;
        auto name = BackendName::parse_srv(*text);
        if (!name) return reader_.complain(written.srv->mark(), label + ".srv", name.error().message);
        add_name(*std::move(name), *written.srv, label + ".srv", written.terms, draft);
    }

    void add_backend(Node item, const std::string& label, const Backend& terms, Draft& draft) {
        if (BackendName::is_meant(item.text())) {
            auto name = reader_.parsed<BackendName>(label, item);
            if (name) add_name(*std::move(name), item, label, terms, draft);
            return;
        }
        const auto endpoint = reader_.parsed<EndpointRange>(label, item);
        if (!endpoint) return;
        draft.mark(Place::Key::backends, draft.service.backends.size(), item, label);
        draft.service.backends.push_back({*endpoint, terms.weight, terms.backup});
    }

    static void add_name(BackendName name, Node item, const std::string& label, const Backend& terms, Draft& draft) {
        name.weight = terms.weight;
        name.backup = terms.backup;
        draft.mark(Place::Key::backend_names, draft.service.backend_names.size(), item, label);
        draft.service.backend_names.push_back(std::move(name));
    }

    void read_source(const Key& key, Node value, Draft& draft) {
        Service& service = draft.service;
        service.source = SourcePolicy::automatic;
        service.source_map.clear();
        if (value.kind() != yaml::Kind::mapping) {
            if (value.text() == "map") {
                return reader_.complain(value.mark(), key.label(), "'map' needs a prefix: write source: {map: PREFIX}");
            }
            if (const auto policy = reader_.choice<SourcePolicy>(key, value)) service.source = *policy;
            return draft.mark(Place::Key::source, 0, value, key.label());
        }
        if (value.entries().empty()) {
            reader_.complain(value.mark(), key.label(), "is an empty mapping: write {map: PREFIX}");
        }
        reader_.each_key(value, key.label(), key.path(), [&](const Key& map, Node prefixes) {
            reader_.each_item(map, prefixes, [&](Node item, const std::string& label) {
                const auto prefix = reader_.parsed<Prefix>(label, item);
                if (!prefix) return;
                draft.mark(Place::Key::source, service.source_map.size(), item, label);
                service.source_map.push_back(*prefix);
                service.source = SourcePolicy::map;
            });
        });
    }

    void read_limits(const Key& key, Node value, Service& service) {
        service.limits = {};
        reader_.each_key(value, key.label(), key.path(), [&](const Key& part, Node part_value) {
            const auto count = reader_.count(part, part_value);
            if (count) service.limits[*from_name<Limit>(part.name)] = static_cast<uint32_t>(*count);
        });
    }

    void read_proxy_protocol(const Key& key, Node value, Draft& draft) {
        Service& service = draft.service;
        service.send_proxy = ProxyHeader::none;
        service.accept_proxy_from.clear();
        draft.mark(Place::Key::proxy_protocol, 0, value, key.label());
        reader_.each_key(value, key.label(), key.path(), [&](const Key& part, Node part_value) {
            if (part.name == "send") {
                if (const auto header = reader_.choice<ProxyHeader>(part, part_value)) service.send_proxy = *header;
            } else if (part.name == "accept_from") {
                reader_.each_item(part, part_value, [&](Node item, const std::string& label) {
                    if (const auto prefix = reader_.parsed<Prefix>(label, item)) {
                        service.accept_proxy_from.push_back(*prefix);
                    }
                });
            }
        });
    }

    // Every rule that does not depend on something that could not be read.
    void validate_what_was_read() {
        // A guessed protocol could make two services overlap, or one lead to another: such a service is looked at on
        // its own, and lends the others only the backends that their prefixes must keep clear of.
        for (const size_t index : unknown_protocol_) {
            Service& service = config_.services[index];
            for (Problem& problem : validate({&service, 1})) {
                problem.place.service = index;
                if (problem.place.key != Place::Key::proxy_protocol) add(std::move(problem));
            }
            service.listen.clear();
            service.listen_links.clear();
        }
        for (Problem& problem : validate(config_.services)) {
            const bool guessed = std::ranges::binary_search(unknown_protocol_, problem.place.service);
            if (!guessed || problem.place.key == Place::Key::source) add(std::move(problem));
        }
        settings_.validate(config_.services);
    }

    void add(Problem problem) {
        const Service& service = config_.services[problem.place.service];
        // That it has no endpoint or no backend is said already, in the words of what was written.
        const bool is_whole = (!service.listen.empty() || !service.listen_links.empty()) &&
                              (!service.backends.empty() || !service.backend_names.empty()) &&
                              is_service_name(service.name);
        if (problem.place.key == Place::Key::service && !is_whole) return;
        reader_.add(config_.at(problem.place, std::move(problem.message)));
    }

    Config config_;
    Reader reader_;
    SettingsParser settings_{reader_, config_.settings};
    Draft defaults_;
    std::vector<size_t> unknown_protocol_;  // services, sorted
};

}  // namespace

Config parse_config(std::string_view text, std::string origin) { return FileParser(std::move(origin)).parse(text); }

}  // namespace hairpin
