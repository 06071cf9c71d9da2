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
// Where somebody else has removed the table, or a part of it, it is taken over again: as soon as tend() notices.
//
// A table of another version's frame is replaced whole, in the same transaction. Then UDP flows that no service would
// translate so any more are forgotten, so that their next packet is judged anew; TCP connections keep their backend.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "engines/free_ports.h"
#include "engines/nft/compile.h"
#include "engines/nft/conntrack.h"
#include "engines/nft/counts.h"
#include "engines/nft/exhaustion.h"
#include "engines/nft/frame.h"
#include "engines/nft/hindrances.h"
#include "engines/nft/links.h"
#include "engines/nft/netfilter.h"
#include "engines/nft/ports.h"
#include "engines/nft/settings.h"
#include "engines/nft/stats_rows.h"
#include "engines/nft/table_watch.h"
#include "engines/packets.h"
#include "engines/settings_watch.h"
#include "model/admission.h"
#include "model/difference.h"
#include "net/listening_ports.h"
#include "net/namespace_lock.h"

namespace hairpin {
namespace nft {
namespace {

using Asked = std::pair<Protocol, Endpoint>;

bool is_ours(const Chain& chain) { return fmt::format("{} {}", chain.family, chain.table) == table; }

bool publishes_within(const Service& service, PortRange ports) {
    return std::ranges::any_of(service.listen,
                               [&](const EndpointRange& listen) { return listen.ports.overlaps(ports); });
}

class NftEngine final : public Engine {
public:
    explicit NftEngine(EngineOptions options) : options_(std::move(options)) {}

    std::string_view name() const override { return "nft"; }
    Abilities abilities() const override { return packet_abilities; }
    std::vector<Gap> gaps(const Ruleset& ruleset) const override;
    Result<std::vector<std::string>> check(const Desired& desired) override;
    Result<bool> has_traces() override;
    std::optional<pid_t> owner() const override { return lock_.owner(); }
    std::vector<std::string> hindrances() const override { return hindrances_.now(); }
    std::vector<std::string> troubles() const override { return settings_watch_.troubles(); }
    Result<> apply(std::shared_ptr<const Desired> desired) override;
    Result<Stats> stats() override;
    Result<> flows(const std::function<void(const LiveFlow&)>& visit) override;
    Result<uint64_t> end_connections(const std::function<bool(const LiveFlow&)>& which) override;
    Result<> clear() override;
    void tend() override;

private:
    std::optional<LiveFlow> live_flow(const TrackedFlow& flow) const;  // nothing: it is none of ours
    bool can_change(const Desired& desired, const Difference& difference, const Part& surroundings) const;
    Result<> take_over(std::shared_ptr<const Desired> desired, Part surroundings);
    Result<> change(std::shared_ptr<const Desired> desired, const Difference& difference);
    void end_stale_udp(const Desired* replaced, const std::set<Asked>& before);
    Result<std::vector<Chain>> our_chains();
    Result<std::vector<Count>> counts(const std::string& set, size_t most = most_counts);
    Result<std::vector<Count>> accepted();
    Result<std::set<Asked>> ever_asked();  // every endpoint that a flow was counted for
    const Desired* earlier() const { return former_ ? &*former_ : nullptr; }

    const EngineOptions options_;
    Netfilter netfilter_;
    Conntrack conntrack_;
    Settings settings_{netfilter_, options_.set_sysctls, options_.on_event};

    // IPv6 asks the whole machine's setting alone (ip6_forward).
    SettingsWatch settings_watch_{{options_.set_sysctls,
                                   [this](const Setting& setting) {
                                       auto set = settings_.set_until_clear(setting);
                                       if (set) watch_.remember();  // the table has one more chain
                                       return set;
                                   },
                                   {Family::v4}},
                                  options_.on_event};

    NamespaceLock lock_{"hairpin-nft"};  // there is one table for all

    // What the table holds, once we have taken it over.
    std::shared_ptr<const Desired> desired_;
    std::optional<Desired> former_;  // what changes took away: connections may live on that it began
    PortRange ports_;
    std::optional<Compiler> compiler_;
    Part surroundings_;
    std::optional<Contents> contents_;
    TableWatch watch_;
    bool told_of_loss_ = false;
    bool told_of_full_counts_ = false;
    HindranceWatch hindrances_{netfilter_, watch_, options_.on_event};
    Exhaustion exhaustion_{netfilter_, conntrack_, options_.on_event};
    LimitWatch limit_watch_{refused_by_limits, options_.on_event};
};

std::vector<Gap> NftEngine::gaps(const Ruleset& ruleset) const {
    auto gaps =
        packet_gaps(ruleset, "the kernel counts the flows of the whole gateway only (net.netfilter.nf_conntrack_max)");
    const auto brief = std::ranges::find_if(ruleset.services(), [](const Service& service) {
        return service.tcp_idle_timeout && *service.tcp_idle_timeout < least_time_established;
    });
    if (brief != ruleset.services().end()) {
        gaps.push_back({brief->name, fmt::format("tcp_idle_timeout: the kernel forgets a silent connection after {} "
                                                 "minutes at the earliest; use engine: proxy, tc or xdp for less",
                                                 least_time_established.count())});
    }
    const auto counted = std::ranges::find_if(ruleset.services(), [](const Service& service) {
        return service.limits[Limit::connections] > 0 || service.limits[Limit::connections_per_client] > 0;
    });
    if (counted != ruleset.services().end()) {
        gaps.push_back(
            {counted->name,
             "limits: where a reload changes a number of connections, the kernel counts from anew, and those "
             "that live already count for nothing; with engine: proxy they do"});
    }
    return gaps;
}

Result<std::vector<std::string>> NftEngine::check(const Desired& desired) {
    if (auto links = check_links(desired.topology); !links) return links.error();
    if (auto forwards = settings_.check_forwarding(desired); !forwards) return forwards.error();
    return nft::hindrances(netfilter_, desired);
}

Result<bool> NftEngine::has_traces() {
    const auto chains = our_chains();
    return chains ? Result<bool>(!chains->empty()) : chains.error();
}

Result<> NftEngine::apply(std::shared_ptr<const Desired> desired) {
    if (auto alone = lock_.take(); !alone) return alone;
    if (auto links = check_links(desired->topology); !links) return links;
    if (auto enabled = settings_.enable_forwarding(*desired, desired_.get()); !enabled) return enabled;
    Part surroundings = hairpin::nft::surroundings(desired->ruleset, desired->topology);
    if (desired_ && watch_.is_whole()) {
        const Difference found = difference(desired_->ruleset.services(), desired->ruleset.services());
        if (can_change(*desired, found, surroundings) && change(desired, found)) return {};
    }
    return take_over(std::move(desired), std::move(surroundings));
}

// Where most of many services are others, it is less work to begin anew.
bool NftEngine::can_change(const Desired& desired, const Difference& difference, const Part& surroundings) const {
    constexpr size_t many = 1000;
    return contents_ && desired_->topology == desired.topology && surroundings_.elements == surroundings.elements &&
           difference.gone.size() + difference.added.size() <= std::max(many, desired.ruleset.services().size()) &&
           std::ranges::none_of(difference.added,
                                [&](const Service* service) { return publishes_within(*service, ports_); });
}

Result<> NftEngine::take_over(std::shared_ptr<const Desired> desired, Part surroundings) {
    if (desired_ && !watch_.is_whole() && !std::exchange(told_of_loss_, true)) {
        options_.on_event(
            engine_warning(fmt::format("somebody removed the table {}, or a part of it: it is made anew", table)));
    }
    const std::vector<Service>& services = desired->ruleset.services();
    const auto listening = listening_ports();
    if (!listening) return listening.error();
    const auto ports = free_ports(desired->ruleset, *listening);
    if (!ports) return Error{"no port is left for translated sources: services and local programs use them all"};
    std::set<Asked> before;
    if (!desired_) {
        if (auto asked = ever_asked()) before = *std::move(asked);  // an error: there is no table yet
        limit_watch_.begin(*desired);
    }
    Compiler compiler(desired->topology);
    std::vector<Part> parts;
    parts.reserve(services.size() + 1);
    for (const Service& service : services) parts.push_back(compiler.service(service));
    parts.push_back(surroundings);
    Contents contents;
    Change change = contents.replace({}, parts);

    std::string text;
    const auto chains = our_chains();
    if (!chains) return chains.error();
    const bool same_frame = std::ranges::count(*chains, frame_mark(), &Chain::name) > 0;
    if (!chains->empty() && !same_frame) text = fmt::format("delete table {}\n", table);
    for (const Chain& chain : *chains) {
        if (same_frame && Definition::names(chain.name) && !contents.holds_chain(chain.name)) {
            change.gone.definitions.push_back({Definition::Kind::chain, chain.name, {}});
        }
    }
    for (const std::string& name : settings_.kept(*chains)) {
        change.added.definitions.push_back({Definition::Kind::chain, name, {}});
    }
    std::optional<Desired> former;
    if (desired_) {
        former = remember(desired_->ruleset.services(), desired_->topology, earlier(), desired->ruleset);
    }
    if (auto done = netfilter_.apply(text + frame(*ports) + commands(change)); !done) return done;

    compiler_.emplace(std::move(compiler));
    ports_ = *ports;
    surroundings_ = std::move(surroundings);
    contents_ = std::move(contents);
    former_ = std::move(former);
    const auto replaced = std::exchange(desired_, std::move(desired));
    settings_.keep_count();
    watch_.remember();
    told_of_loss_ = false;
    hindrances_.look(desired_);
    const bool udp = std::ranges::any_of(services, serves_udp) ||
                     (replaced && std::ranges::any_of(replaced->ruleset.services(), serves_udp)) ||
                     std::ranges::any_of(before, [](const Asked& asked) { return asked.first == Protocol::udp; });
    if (udp) end_stale_udp(replaced.get(), before);
    return {};
}

Result<> NftEngine::change(std::shared_ptr<const Desired> desired, const Difference& difference) {
    std::vector<Part> out;
    std::vector<Part> in;
    std::vector<Service> gone;
    bool udp = false;
    for (const Service* service : difference.gone) {
        out.push_back(compiler_->service(*service));
        gone.push_back(*service);
        udp = udp || serves_udp(*service);
    }
    for (const Service* service : difference.added) {
        in.push_back(compiler_->service(*service));
        udp = udp || serves_udp(*service);
    }
    auto former = remember(gone, desired->topology, earlier(), desired->ruleset);
    const Desired replaced{Ruleset(std::move(gone)), desired->topology};
    Contents contents = *std::exchange(contents_, std::nullopt);  // unknown until this is done, whatever fails
    const Change change = contents.replace(out, in);
    const std::string still_there = fmt::format("flush chain {} {}\n", table, frame_mark());  // it is empty
    if (auto done = netfilter_.apply(still_there + commands(change)); !done) return done;
    contents_ = std::move(contents);
    desired_ = std::move(desired);
    former_ = std::move(former);
    watch_.remember();
    if (udp) end_stale_udp(&replaced, {});
    return {};
}

// UDP has no connections, so a flow ends with its endpoint and with its backend, and where its client is let in no
// more. `replaced`: what was served until now, as far as it differs; may be null. `before`: what was asked before us.
// What is served now is so whether this works.
void NftEngine::end_stale_udp(const Desired* replaced, const std::set<Asked>& before) {
    const auto done = conntrack_.review(Flows::all, [&](const TrackedFlow& flow) {
        const Endpoint& asked = flow.client.destination;
        if (flow.client.protocol != Protocol::udp) return Fate::keep;
        const Service* former = replaced ? service_asked(*replaced, Protocol::udp, asked) : nullptr;
        if (const auto now = find_asked(desired_->ruleset, desired_->topology, Protocol::udp, asked)) {
            const bool same = flow.translated && admits(*now->service, flow.client.source.ip) &&
                              (!former || treats_alike(*former, *now->service)) &&
                              leads_to(*now->service, *now->listen, asked.port, flow.backend.destination);
            return same ? Fate::keep : Fate::forget;
        }
        const bool was_ours = former || before.contains({Protocol::udp, asked});
        return was_ours && flow.translated ? Fate::forget : Fate::keep;
    });
    if (!done) {
        options_.on_event(engine_warning(
            done.error().within("UDP flows that began earlier keep their backend until they rest").message));
    }
}

Result<std::vector<Chain>> NftEngine::our_chains() {
    auto chains = netfilter_.chains();
    if (chains) std::erase_if(*chains, [](const Chain& chain) { return !is_ours(chain); });
    return chains;
}

Result<std::vector<Count>> NftEngine::counts(const std::string& set, size_t most) {
    auto counts = read_counts(set);
    if (counts && counts->size() >= most && !std::exchange(told_of_full_counts_, true)) {
        options_.on_event(engine_warning(
            fmt::format("the counters hold {} endpoints and their backends at most: what comes now is served, but its "
                        "connections and bytes are not counted",
                        most_counts)));
    }
    return counts;
}

Result<std::vector<Count>> NftEngine::accepted() {
    std::vector<Count> all;
    for (const Family family : all_families) {
        for (const std::string& set : {accepted_set(family), counted_once_set(family)}) {
            const auto some = counts(set);
            if (!some) return some.error();
            all.insert(all.end(), some->begin(), some->end());
        }
    }
    return all;
}

Result<std::set<Asked>> NftEngine::ever_asked() {
    std::set<Asked> asked;
    const auto flows = accepted();
    if (!flows) return flows.error();
    for (const Count& count : *flows) asked.emplace(count.protocol, count.endpoint);
    return asked;
}

Result<Stats> NftEngine::stats() {
    if (!desired_) return Stats{};
    StatsRows rows(*desired_, earlier());
    for (const Family family : all_families) {
        const auto refused = counts(refused_set(family));
        if (!refused) return refused.error();
        for (const Count& count : *refused) {
            ServiceStats* row = rows.find(count.protocol, count.endpoint);
            const size_t refusal = limit_marked(count.mark) ? static_cast<size_t>(Refusal::limits) : count.mark;
            if (row && refusal < row->refused.size()) row->refused[refusal] += count.packets;
        }
        const auto bytes = counts(bytes_set(family), most_byte_counts);
        if (!bytes) return bytes.error();
        for (const Count& count : *bytes) {
            ServiceStats* row = rows.find(count.protocol, count.endpoint);
            if (!row) continue;
            const bool to_backends = count.mark == static_cast<uint32_t>(Direction::to_backends);
            (to_backends ? row->bytes_to_backends : row->bytes_to_clients) += count.bytes;
        }
    }
    // After the bytes: what is shown of a flow is never more than what is counted of it.
    const auto flows = accepted();
    if (!flows) return flows.error();
    for (const Count& count : *flows) {
        const auto path = path_marked(count.mark);
        if (path) rows.add_accepted(count.protocol, count.endpoint, count.backend, *path, count.packets);
    }
    const auto reviewed = conntrack_.review(Flows::translated, [&](const TrackedFlow& flow) {
        if (flow.translated && flow.alive) {
            if (ServiceStats* row = rows.find(flow.client.protocol, flow.client.destination)) ++row->active;
        }
        return Fate::keep;
    });
    if (!reviewed) return reviewed.error();
    return rows.take();
}

std::optional<LiveFlow> NftEngine::live_flow(const TrackedFlow& flow) const {
    const Leg& client = flow.client;
    const Service* service =
        flow.translated ? service_asked(*desired_, earlier(), client.protocol, client.destination) : nullptr;
    if (!service) return std::nullopt;
    return LiveFlow{
        .service = service->name,
        .path = path_of(desired_->ruleset, desired_->topology, client.source.ip, flow.backend.destination.ip),
        .client = client,
        .backend = flow.backend,
        .ended = !flow.alive,
        .answered = flow.answered,
        .bytes_to_backend = flow.bytes_to_backend,
        .bytes_to_client = flow.bytes_to_client,
        .age = flow.age};
}

Result<> NftEngine::flows(const std::function<void(const LiveFlow&)>& visit) {
    if (!desired_) return {};
    return conntrack_.review(Flows::translated, [&](const TrackedFlow& tracked) {
        if (const auto flow = live_flow(tracked)) visit(*flow);
        return Fate::keep;
    });
}

// The next packet of a forgotten connection begins none: whoever gets it knows nothing of it, and resets.
Result<uint64_t> NftEngine::end_connections(const std::function<bool(const LiveFlow&)>& which) {
    uint64_t ended = 0;
    if (!desired_) return ended;
    const auto done = conntrack_.review(Flows::translated, [&](const TrackedFlow& tracked) {
        if (tracked.client.protocol != Protocol::tcp || tracked.closed) return Fate::keep;
        const auto flow = live_flow(tracked);
        if (!flow || !which(*flow)) return Fate::keep;
        ++ended;
        return Fate::forget;
    });
    return done ? Result<uint64_t>(ended) : done.error();
}

void NftEngine::tend() {
    if (!desired_) return;
    if (!watch_.is_whole()) {
        const bool told = told_of_loss_;
        const auto done = take_over(desired_, surroundings_);
        if (!done && !told) options_.on_event(engine_warning(done.error().message));
    }
    settings_watch_.tend(desired_);
    exhaustion_.tend(*desired_, ports_);
    limit_watch_.tend(*desired_);
    hindrances_.tend(desired_);
}

Result<> NftEngine::clear() {
    if (auto alone = lock_.take(); !alone) return alone;
    const auto chains = our_chains();
    if (!chains) return chains.error();
    if (chains->empty()) return {};
    const auto asked = ever_asked();
    // Before the table goes: where we are killed in between, it still says what is to be put back.
    auto restored = Settings::restore(*chains);
    if (auto gone = netfilter_.apply(fmt::format("delete table {}\n", table)); !gone) return gone;
    desired_ = nullptr;
    former_.reset();
    compiler_.reset();
    if (!restored) return restored;
    if (!asked) return asked.error();
    return conntrack_.review(Flows::translated, [&](const TrackedFlow& flow) {
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
