#include "engines/nft/nft_engine.h"

// Theory of operation.
//
// The table in the kernel is the state; this object only remembers what it last put there, so as to send differences.
//
//   take_over  the first time, and whenever the network around the gateway or the free ports changed: one transaction
//              that declares the frame (what exists stays), empties it and fills it anew. Live flows, counters and
//              timeouts are left alone, so a daemon that was killed takes over what it left behind without a lost
//              packet.
//   change     otherwise: one transaction with what the services that differ take away and add.
//
// A table of another version's frame is replaced whole, in the same transaction. Then UDP flows that no service would
// translate so any more are forgotten, so that their next packet is judged anew; TCP connections keep their backend.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "engines/nft/compile.h"
#include "engines/nft/conntrack.h"
#include "engines/nft/exhaustion.h"
#include "engines/nft/frame.h"
#include "engines/nft/hindrances.h"
#include "engines/nft/netfilter.h"
#include "engines/nft/ports.h"
#include "net/listening_ports.h"
#include "net/sysctl.h"

namespace hairpin {
namespace nft {
namespace {

// An empty chain of this name holds what a sysctl was before us, for whoever clears the table: the name outlives us.
constexpr std::string_view sysctl_mark = "was.";

using Asked = std::pair<Protocol, Endpoint>;

const Service* service_asked(const Desired& desired, Protocol protocol, const Endpoint& endpoint) {
    const auto match = find_asked(desired.ruleset, desired.topology, protocol, endpoint);
    return match ? match->service : nullptr;
}

// Those of `some` that do not stand just so among the `others`. Mostly they do, and in the same place.
std::vector<const Service*> missing(const std::vector<Service>& some, const std::vector<Service>& others) {
    std::vector<const Service*> missing;
    std::unordered_map<std::string_view, const Service*> by_name;
    for (size_t i = 0; i < some.size(); ++i) {
        if (i < others.size() && some[i] == others[i]) continue;
        if (by_name.empty()) {
            for (const Service& other : others) by_name.emplace(other.name, &other);
        }
        const auto other = by_name.find(some[i].name);
        if (other == by_name.end() || *other->second != some[i]) missing.push_back(&some[i]);
    }
    return missing;
}

bool is_ours(const Chain& chain) { return fmt::format("{} {}", chain.family, chain.table) == table; }

bool publishes_within(const Ruleset& ruleset, PortRange ports) {
    return std::ranges::any_of(ruleset.services(), [&](const Service& service) {
        return std::ranges::any_of(service.listen,
                                   [&](const EndpointRange& listen) { return listen.ports.overlaps(ports); });
    });
}

class NftEngine final : public Engine {
public:
    explicit NftEngine(EngineOptions options) : options_(std::move(options)) {}

    std::string_view name() const override { return "nft"; }
    Abilities abilities() const override { return nft_abilities; }
    std::vector<Gap> gaps(const Ruleset& ruleset) const override;
    Result<> check(const Desired& desired) override;
    bool has_traces() override;
    Result<> apply(std::shared_ptr<const Desired> desired) override;
    Result<Stats> stats() override;
    Result<> flows(const std::function<void(const LiveFlow&)>& visit) override;
    Result<> clear() override;
    void tend() override;

private:
    bool can_change_to(const Desired& desired, const Part& surroundings) const;
    Result<> take_over(const Desired& desired, Part surroundings);
    Result<> change(const Desired& desired);
    Result<> enable_forwarding(const Desired& desired, bool change = true);
    Result<> set_until_clear(const std::string& key, const std::string& old_value, const std::string& value);
    void keep_count();
    Result<> end_stale_udp(const std::set<Asked>& before) const;
    Result<std::vector<Chain>> our_chains();
    Result<> each_accepted(const std::function<void(Path, const Count&)>& visit);
    Result<std::set<Asked>> ever_asked();  // every endpoint that a flow was counted for
    const Service* service_at(Protocol protocol, const Endpoint& asked) const;
    ServiceStats* find(Stats& stats, Protocol protocol, const Endpoint& asked) const;
    void warn_of_hindrances();

    const EngineOptions options_;
    Netfilter netfilter_;

    // What the table holds, once we have taken it over.
    std::shared_ptr<const Desired> desired_;
    std::shared_ptr<const Desired> former_;  // before that: connections may live on that it began
    PortRange ports_;
    std::optional<Compiler> compiler_;
    Part surroundings_;
    Contents contents_;
    Exhaustion exhaustion_{netfilter_, options_.on_event};
};

std::vector<Gap> NftEngine::gaps(const Ruleset& ruleset) const {
    std::vector<Gap> gaps;
    const Service unset;
    for (const Service& service : ruleset.services()) {
        const auto add = [&](std::string message, bool fatal = false) {
            gaps.push_back({service.name, std::move(message), fatal});
        };
        if (service.send_proxy != ProxyHeader::none || !service.accept_proxy_from.empty()) {
            add("proxy_protocol: the kernel's NAT changes addresses and not what a connection carries; use engine: "
                "proxy",
                true);
        }
        for (const EndpointRange& listen : service.listen) {
            for (const Backend& backend : service.backends) {
                const auto why = obstacle(listen, backend);
                if (why.empty()) continue;
                add(fmt::format("{} is not led to {}: {}; use engine: proxy", listen.str(), backend.endpoint.str(),
                                why),
                    listen.ip.is_loopback() || backend.endpoint.ip.is_loopback());
            }
        }
        if (service.max_sessions != unset.max_sessions) {
            add("max_sessions: the kernel counts the flows of the whole gateway only (net.netfilter.nf_conntrack_max)");
        }
        if (service.connect_timeout != unset.connect_timeout) {
            add("connect_timeout: the client itself waits for its backend, and hears its refusal; no other one is "
                "tried");
        }
    }
    return gaps;
}

Result<> NftEngine::check(const Desired& desired) {
    if (const auto chains = netfilter_.chains(); !chains) return chains.error();
    if (auto found = hindrances(netfilter_, desired); !found.empty()) return Error{std::move(found.front())};
    return enable_forwarding(desired, false);
}

bool NftEngine::has_traces() {
    const auto chains = our_chains();
    return chains && !chains->empty();
}

Result<> NftEngine::apply(std::shared_ptr<const Desired> desired) {
    if (auto enabled = enable_forwarding(*desired); !enabled) return enabled;
    std::set<Asked> before;
    if (!desired_) {
        if (auto asked = ever_asked()) before = *std::move(asked);  // an error: there is no table yet
    }
    Part surroundings = hairpin::nft::surroundings(desired->ruleset, desired->topology);
    const bool small = can_change_to(*desired, surroundings);
    if (auto done = small ? change(*desired) : take_over(*desired, std::move(surroundings)); !done) return done;
    if (!small) keep_count();
    former_ = std::exchange(desired_, std::move(desired));
    if (!small) warn_of_hindrances();
    return end_stale_udp(before);
}

bool NftEngine::can_change_to(const Desired& desired, const Part& surroundings) const {
    return compiler_ && compiler_->topology() == desired.topology && surroundings_.elements == surroundings.elements &&
           !publishes_within(desired.ruleset, ports_);
}

Result<> NftEngine::take_over(const Desired& desired, Part surroundings) {
    const auto ports = free_ports(desired.ruleset, listening_ports());
    if (!ports) return Error{"no port is left for translated sources: services and local programs use them all"};
    Compiler compiler(desired.topology);
    std::vector<Part> parts;
    for (const Service& service : desired.ruleset.services()) parts.push_back(compiler.service(service));
    parts.push_back(surroundings);
    Contents contents;
    Change change = contents.replace({}, parts);

    std::string text;
    const auto chains = our_chains();
    if (!chains) return chains.error();
    const bool same_frame = std::ranges::count(*chains, frame_mark(), &Chain::name) > 0;
    if (!chains->empty() && !same_frame) text = fmt::format("delete table {}\n", table);
    for (const Chain& chain : *chains) {
        if (chain.name.starts_with(sysctl_mark)) {
            change.added.definitions.push_back({Definition::Kind::chain, chain.name, {}});
        } else if (same_frame && Definition::names(chain.name) && !contents.holds_chain(chain.name)) {
            change.gone.definitions.push_back({Definition::Kind::chain, chain.name, {}});
        }
    }
    if (auto done = netfilter_.apply(text + frame(*ports) + commands(change)); !done) return done;

    compiler_.emplace(std::move(compiler));
    ports_ = *ports;
    surroundings_ = std::move(surroundings);
    contents_ = std::move(contents);
    return {};
}

Result<> NftEngine::change(const Desired& desired) {
    const std::vector<Service>& old_services = desired_->ruleset.services();
    const std::vector<Service>& new_services = desired.ruleset.services();
    std::vector<Part> out;
    std::vector<Part> in;
    for (const Service* service : missing(old_services, new_services)) out.push_back(compiler_->service(*service));
    for (const Service* service : missing(new_services, old_services)) in.push_back(compiler_->service(*service));
    const Change change = contents_.replace(out, in);
    auto done = netfilter_.apply(commands(change));
    if (!done) contents_.replace(in, out);
    return done;
}

// The kernel forwards nothing unless it is told to. Without `change`, only whether it does or may be told so.
Result<> NftEngine::enable_forwarding(const Desired& desired, bool change) {
    for (const Family family : all_families) {
        const Ip* beyond = nullptr;
        for (const Service& service : desired.ruleset.services()) {
            for (const Backend& backend : service.backends) {
                const Ip& ip = backend.endpoint.ip;
                if (ip.family() == family && !desired.topology.owns(ip)) beyond = &ip;
            }
        }
        if (!beyond) continue;
        const std::string key = family == Family::v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
        const auto value = read_sysctl(key);
        if (!value) return value.error();
        if (*value != "0") continue;
        if (!options_.set_sysctls) {
            return Error{
                fmt::format("{0} is 0, so the kernel would drop what is for {1}: run `sysctl -w {0}=1`, let the "
                            "gateway do it (sysctls: set), or use engine: proxy",
                            key, beyond->str())};
        }
        if (!change) continue;
        if (auto set = set_until_clear(key, *value, "1"); !set) return set;
    }
    return {};
}

Result<> NftEngine::set_until_clear(const std::string& key, const std::string& old_value, const std::string& value) {
    const std::string mark = fmt::format("table {} {{ chain {}{}.{} {{ }}\n}}\n", table, sysctl_mark, key, old_value);
    if (auto marked = netfilter_.apply(mark); !marked) return marked;
    if (auto set = write_sysctl(key, value); !set) return set;
    options_.on_event(
        {Event::Level::info, fmt::format("{} was {} and is now {}, until the gateway stops", key, old_value, value)});
    return {};
}

// Of flows that begin from now on, their bytes and their age. Nothing that is served depends on it.
void NftEngine::keep_count() {
    if (!options_.set_sysctls) return;
    for (const char* key : {"net.netfilter.nf_conntrack_acct", "net.netfilter.nf_conntrack_timestamp"}) {
        const auto value = read_sysctl(key);
        if (!value || *value != "0") continue;
        if (const auto set = set_until_clear(key, *value, "1"); !set) {
            options_.on_event({Event::Level::info, set.error().message});
        }
    }
}

// UDP has no connections, so a flow ends with its endpoint and with its backend. `before`: what was asked before us.
Result<> NftEngine::end_stale_udp(const std::set<Asked>& before) const {
    return review_flows([&](const TrackedFlow& flow) {
        const Endpoint& asked = flow.client.destination;
        if (flow.client.protocol != Protocol::udp) return Fate::keep;
        const Service* former = former_ ? service_asked(*former_, Protocol::udp, asked) : nullptr;
        if (const auto now = find_asked(desired_->ruleset, desired_->topology, Protocol::udp, asked)) {
            const bool same = flow.translated && (!former || treats_alike(*former, *now->service)) &&
                              leads_to(*now->service, *now->listen, asked.port, flow.backend.destination);
            return same ? Fate::keep : Fate::forget;
        }
        const bool was_ours = former || before.contains({Protocol::udp, asked});
        return was_ours && flow.translated ? Fate::forget : Fate::keep;
    });
}

void NftEngine::warn_of_hindrances() {
    for (std::string& hindrance : hindrances(netfilter_, *desired_)) {
        options_.on_event({Event::Level::warning, std::move(hindrance)});
    }
}

Result<std::vector<Chain>> NftEngine::our_chains() {
    auto chains = netfilter_.chains();
    if (chains) std::erase_if(*chains, [](const Chain& chain) { return !is_ours(chain); });
    return chains;
}

// Every count of flows since the table was made, with the path that they took.
Result<> NftEngine::each_accepted(const std::function<void(Path, const Count&)>& visit) {
    for (const Family family : all_families) {
        for (const Path path : all_paths) {
            const auto counts = netfilter_.counts(accepted_set(path, family));
            if (!counts) return counts.error();
            for (const Count& count : *counts) visit(path, count);
        }
    }
    return {};
}

Result<std::set<Asked>> NftEngine::ever_asked() {
    std::set<Asked> asked;
    const auto visited =
        each_accepted([&](Path, const Count& count) { asked.emplace(count.protocol, count.endpoint); });
    if (!visited) return visited.error();
    return asked;
}

// The service that an endpoint belongs to, or last belonged to.
const Service* NftEngine::service_at(Protocol protocol, const Endpoint& asked) const {
    if (const Service* service = service_asked(*desired_, protocol, asked)) return service;
    return former_ ? service_asked(*former_, protocol, asked) : nullptr;
}

// Its row; the first rows are those of the ruleset.
ServiceStats* NftEngine::find(Stats& stats, Protocol protocol, const Endpoint& asked) const {
    if (const Service* service = service_asked(*desired_, protocol, asked)) {
        return &stats.services[static_cast<size_t>(service - desired_->ruleset.services().data())];
    }
    const Service* former = service_at(protocol, asked);
    if (!former) return nullptr;
    const auto row = std::ranges::find(stats.services, former->name, &ServiceStats::service);
    if (row != stats.services.end()) return &*row;
    stats.services.push_back({.service = former->name});
    return &stats.services.back();
}

Result<Stats> NftEngine::stats() {
    Stats stats;
    if (!desired_) return stats;
    for (const Service& service : desired_->ruleset.services()) stats.services.push_back({.service = service.name});
    const auto accepted = each_accepted([&](Path path, const Count& count) {
        ServiceStats* row = find(stats, count.protocol, count.endpoint);
        if (row) row->accepted[static_cast<size_t>(path)] += count.packets;
    });
    if (!accepted) return accepted.error();
    for (const Family family : all_families) {
        const auto refused = netfilter_.counts(refused_set(family));
        if (!refused) return refused.error();
        for (const Count& count : *refused) {
            ServiceStats* row = find(stats, count.protocol, count.endpoint);
            if (row) row->refused[static_cast<size_t>(Refusal::ports)] += count.packets;
        }
        for (const Direction direction : {Direction::to_backends, Direction::to_clients}) {
            const auto counts = netfilter_.counts(bytes_set(direction, family));
            if (!counts) return counts.error();
            for (const Count& count : *counts) {
                ServiceStats* row = find(stats, count.protocol, count.endpoint);
                if (!row) continue;
                (direction == Direction::to_backends ? row->bytes_to_backends : row->bytes_to_clients) += count.bytes;
            }
        }
    }
    const auto reviewed = review_flows([&](const TrackedFlow& flow) {
        if (flow.translated && flow.alive) {
            if (ServiceStats* row = find(stats, flow.client.protocol, flow.client.destination)) ++row->active;
        }
        return Fate::keep;
    });
    if (!reviewed) return reviewed.error();
    return stats;
}

Result<> NftEngine::flows(const std::function<void(const LiveFlow&)>& visit) {
    if (!desired_) return {};
    return review_flows([&](const TrackedFlow& flow) {
        const Leg& client = flow.client;
        const Service* service = flow.translated ? service_at(client.protocol, client.destination) : nullptr;
        if (!service) return Fate::keep;
        visit({.service = service->name,
               .path = path_of(desired_->ruleset, desired_->topology, client.source.ip, flow.backend.destination.ip),
               .client = client,
               .backend = flow.backend,
               .ended = !flow.alive,
               .bytes_to_backend = flow.bytes_to_backend,
               .bytes_to_client = flow.bytes_to_client,
               .age = flow.age});
        return Fate::keep;
    });
}

void NftEngine::tend() {
    if (desired_) exhaustion_.tend(*desired_, ports_);
}

Result<> NftEngine::clear() {
    const auto chains = our_chains();
    if (!chains) return chains.error();
    if (chains->empty()) return {};
    const auto asked = ever_asked();
    if (auto gone = netfilter_.apply(fmt::format("delete table {}\n", table)); !gone) return gone;
    desired_ = former_ = nullptr;
    compiler_.reset();
    for (const Chain& chain : *chains) {
        if (!chain.name.starts_with(sysctl_mark)) continue;
        const std::string setting = chain.name.substr(sysctl_mark.size());
        const size_t dot = setting.rfind('.');
        if (auto set = write_sysctl(setting.substr(0, dot), setting.substr(dot + 1)); !set) return set;
    }
    if (!asked) return asked.error();
    return review_flows([&](const TrackedFlow& flow) {
        const bool ours = flow.translated && asked->contains({flow.client.protocol, flow.client.destination});
        return ours ? Fate::forget : Fate::keep;
    });
}

}  // namespace
}  // namespace nft

std::unique_ptr<Engine> make_nft_engine(EngineOptions options) {
    return std::make_unique<nft::NftEngine>(std::move(options));
}

}  // namespace hairpin
