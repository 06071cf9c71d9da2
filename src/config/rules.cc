// Rules on the command line: ENDPOINT=BACKEND[@WEIGHT][,BACKEND[@WEIGHT]...][/udp|/both|/tcp].
#include <algorithm>
#include <utility>

#include "config/config.h"
#include "config/values.h"

namespace hairpin {
namespace {

// What stands between commas.
std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    for (size_t comma = text.find(','); comma != text.npos; comma = text.find(',')) {
        parts.push_back(text.substr(0, comma));
        text.remove_prefix(comma + 1);
    }
    parts.push_back(text);
    return parts;
}

class RuleParser {
public:
    Config parse(std::span<const std::string> rules) {
        for (const std::string& rule : rules) {
            ++argument_;
            label_ = in_quotes(rule);
            read_rule(rule);
        }
        std::ranges::sort(config_.marks, {}, &Config::Mark::place);
        for (const Problem& problem : validate(config_.services)) {
            // Two rules share a name, which is the endpoint's, where their endpoints overlap: that is said already.
            if (problem.place.key == Place::Key::service) continue;
            const auto mark =
                std::ranges::lower_bound(config_.marks, Place{problem.place.service}, {}, &Config::Mark::place);
            errors_.emplace_back(mark->line, config_.at(problem.place, problem.message));
        }
        // By the number of the argument; as text, "argument 10" would come before "argument 2".
        std::ranges::stable_sort(errors_, {}, &Numbered::first);
        for (Numbered& error : errors_) config_.errors.push_back(std::move(error.second));
        if (!config_.errors.empty()) {
            config_.services.clear();
            config_.marks.clear();
        }
        return std::move(config_);
    }

private:
    using Numbered = std::pair<int, Diagnostic>;

    void read_rule(std::string_view rule) {
        if (rule.size() > longest_rule) return complain("longer than " + std::to_string(longest_rule) + " characters");
        if (!is_printable(rule)) return complain("holds something else than printable ASCII");
        const size_t equals = rule.find('=');
        if (equals == rule.npos) {
            return complain(
                "lacks '=': write ENDPOINT=BACKEND, as in 1.0.0.1:80=10.0.0.2:8080; a file is given with -c FILE");
        }
        const size_t errors_before = errors_.size();
        Service service;
        const size_t slash = rule.rfind('/');
        const bool is_url = rule.substr(0, slash).ends_with(":/");  // which its reader says
        if (slash != rule.npos && slash > equals && !is_url) {
            const auto protocols = from_name<Protocols>(rule.substr(slash + 1));
            if (!protocols) {
                complain(in_quotes(rule.substr(slash)) + " is not a protocol: write /tcp, /udp or /both");
            }
            service.protocols = protocols.value_or(Protocols::tcp);
            rule = rule.substr(0, slash);
        }
        mark(Place::Key::service, 0, "");
        read_listen(rule.substr(0, equals), service);
        for (const std::string_view text : split(rule.substr(equals + 1))) {
            read_backend(text, service);
        }
        if (errors_.size() == errors_before) {
            config_.services.push_back(std::move(service));
        } else {
            const size_t unread = config_.services.size();
            std::erase_if(config_.marks, [&](const Config::Mark& m) { return m.place.service == unread; });
        }
    }

    void read_backend(std::string_view text, Service& service) {
        const size_t names = service.backend_names.size();
        const std::string label = "backends[" + std::to_string(service.backends.size() + names) + "]";
        const size_t at = std::min(text.find('@'), text.size());
        if (BackendName::is_meant(text.substr(0, at))) {
            mark(Place::Key::backend_names, names, ": " + label);
            auto name = parsed<BackendName>(label, text.substr(0, at)).value_or(BackendName{});
            name.weight = weight(label, text.substr(at));
            return service.backend_names.push_back(std::move(name));
        }
        mark(Place::Key::backends, service.backends.size(), ": " + label);
        const auto backend = parsed<EndpointRange>(label, text.substr(0, at)).value_or(EndpointRange{});
        service.backends.push_back({backend, weight(label, text.substr(at))});
    }

    void read_listen(std::string_view text, Service& service) {
        if (LinkListen::is_meant(text)) {
            const auto on = parsed<LinkListen>("listen", text);
            if (!on) return;
            mark(Place::Key::listen_links, 0, ": listen");
            service.listen_links = {*on};
            service.name = on->str();
        } else {
            const auto listen = parsed<EndpointRange>("listen", text);
            if (!listen) return;
            mark(Place::Key::listen, 0, ": listen");
            service.listen = {*listen};
            service.name = listen->str();
        }
        if (service.protocols != Protocols::tcp) service.name += "/" + std::string(name(service.protocols));
    }

    template <class T>
    std::optional<T> parsed(const std::string& label, std::string_view text) {
        if (text.empty()) {
            complain(label + ": is empty: write ADDRESS:PORT");
            return std::nullopt;
        }
        auto value = T::parse(text);
        if (value) return *std::move(value);
        complain(label + ": " + value.error().message);
        return std::nullopt;
    }

    // "@3"; nothing is the default.
    uint32_t weight(const std::string& label, std::string_view text) {
        if (text.empty()) return Backend{}.weight;
        const auto parsed = parse_count(text.substr(1), 0, most_weight);
        if (!parsed) complain(label + ": the weight " + parsed.error().message);
        return parsed ? static_cast<uint32_t>(*parsed) : 0;
    }

    void mark(Place::Key key, size_t index, const std::string& label) {
        config_.marks.push_back({{config_.services.size(), key, index}, argument_, 0, label_ + label});
    }

    void complain(const std::string& message) {
        errors_.emplace_back(argument_,
                             Diagnostic{"argument " + std::to_string(argument_), 0, 0, label_ + ": " + message});
    }

    static constexpr size_t longest_rule = 64 << 10;

    Config config_;
    std::vector<Numbered> errors_;
    int argument_ = 0;   // from 1
    std::string label_;  // the rule, quoted
};

}  // namespace

Config parse_rules(std::span<const std::string> rules) { return RuleParser().parse(rules); }

}  // namespace hairpin
