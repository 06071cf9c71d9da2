#include "host_kernel.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <semaphore>
#include <set>
#include <span>
#include <string_view>
#include <thread>

#include "engines/bpf/convert.h"

extern "C" {
struct host_table {
    const void* of;
    unsigned kind;
    unsigned key_size;
    unsigned value_size;
    unsigned most;
};
int hp_arrives(__sk_buff* skb);
int hp_leaves(__sk_buff* skb);
int hp_in_driver(xdp_md* frame);
int hp_insert(hp_direction direction);
int hp_look_up(hp_request* request);
extern const volatile uint64_t hp_ns_a_jiffy;
int hp_remove(const hp_tuple* key, uint32_t began, uint32_t now);
long host_update(host_table table, const void* key, const void* value, uint64_t flags);
// The tables, by other names, since entries have some of these; what they look like is the affair of the programs.
extern char endpoints_table asm("hp_endpoints");
extern char backends_table asm("hp_backends");
extern char choices_table asm("hp_choices_of");
extern char own_table asm("hp_own");
extern char rules_table asm("hp_rules_of");
extern char guarded_table asm("hp_guarded");
extern char networks_table asm("hp_networks");
extern char settings_table asm("hp_settings");
extern char links_table asm("hp_links");
extern char known_table asm("hp_known");
extern char counts_table asm("hp_counts");
extern char hashing_table asm("hp_hashing");
extern char in_use_table asm("hp_in_use");
extern char drafts_table asm("hp_drafts");
}

namespace hairpin::bpf {
namespace {

// A table of the kernel. Values stay where they are while they live, for programs hold pointers to them.
class HostTable {
public:
    static std::string bytes(const void* from, size_t size) { return {static_cast<const char*>(from), size}; }

    char* find(const std::string& key) {
        const auto found = entries_.find(key);
        return found != entries_.end() ? found->second.get() : nullptr;
    }
    char* put(const std::string& key, const void* value, size_t size) {
        auto& entry = entries_[key];
        if (!entry) entry = std::make_unique<char[]>(size);
        std::memcpy(entry.get(), value, size);
        return entry.get();
    }
    bool remove(const std::string& key) {
        const auto found = entries_.find(key);
        if (found == entries_.end()) return false;
        removed_.push_back(std::move(found->second));  // the program that does this may still read it
        entries_.erase(found);
        return true;
    }
    void forget_removed() { removed_.clear(); }
    void visit(const std::function<void(const std::string& key, const char* value)>& show) const {
        for (const auto& [key, value] : entries_) show(key, value.get());
    }

    // The longest prefix that holds the key's own bits. A key begins with its length in bits.
    char* find_prefix(const std::string& key) {
        uint32_t wanted = 0;
        std::memcpy(&wanted, key.data(), sizeof wanted);
        char* best = nullptr;
        uint32_t best_length = 0;
        for (auto& [prefix, value] : entries_) {
            uint32_t length = 0;
            std::memcpy(&length, prefix.data(), sizeof length);
            if (length > wanted || (best && length < best_length) || !same_bits(prefix, key, length)) continue;
            best = value.get();
            best_length = length;
        }
        return best;
    }

private:
    static bool same_bits(const std::string& a, const std::string& b, uint32_t bits) {
        constexpr size_t begin = sizeof(uint32_t);
        if (a.compare(begin, bits / 8, b, begin, bits / 8) != 0) return false;
        if (bits % 8 == 0) return true;
        const auto different = static_cast<uint8_t>(a[begin + bits / 8] ^ b[begin + bits / 8]);
        return different >> (8 - bits % 8) == 0;
    }

    std::map<std::string, std::unique_ptr<char[]>> entries_;
    std::vector<std::unique_ptr<char[]>> removed_;
};

// Processors that take turns.
class Turns {
public:
    Turns(size_t processors, uint32_t seed) : random_(seed), done_(processors) {
        for (size_t i = 0; i < processors; ++i) waiting_.push_back(std::make_unique<std::binary_semaphore>(0));
    }
    void begin() { waiting_[draw()]->release(); }
    void enter(size_t processor) {
        waiting_[processor]->acquire();
        running_ = processor;
    }
    void pass_on() {
        const size_t self = running_;
        const size_t next = draw();
        if (next == self) return;
        waiting_[next]->release();
        enter(self);
    }
    void leave() {
        done_[running_] = true;
        if (std::ranges::find(done_, false) != done_.end()) begin();
    }
    size_t running() const { return running_; }

private:
    size_t draw() {
        size_t next = 0;
        do {
            next = random_() % done_.size();
        } while (done_[next]);
        return next;
    }

    std::mt19937 random_;
    std::vector<bool> done_;
    std::vector<std::unique_ptr<std::binary_semaphore>> waiting_;
    size_t running_ = 0;
};

// What a processor is at.
struct Processor {
    std::unique_ptr<char[]> memory;  // ends where the frame ends
    size_t size = 0;
    bool partial = false;
    bool in_driver = false;  // which program runs
    Verdict verdict;

    // As in the kernel, what follows the Ethernet header is aligned.
    static constexpr size_t pad = 2;

    void hold(std::string_view frame) {
        memory = std::make_unique<char[]>(pad + frame.size());
        std::ranges::copy(frame, memory.get() + pad);
        size = frame.size();
    }
    char* data() const { return memory.get() + pad; }
    std::string frame() const { return {data(), size}; }
    bool holds(uint32_t offset, size_t bytes) const { return offset <= size && bytes <= size - offset; }
};

struct State {
    std::map<const void*, HostTable> tables;
    std::optional<Turns> turns;              // while processors do something at once
    std::map<size_t, Processor> processors;  // by number
    HostKernel::Routing routing;
    uint64_t now = 1'000'000'000'000;
    std::mt19937 random{1};
    std::set<std::string> connections;  // of sockets of this machine, as the programs ask for them
    bpf_sock socket{};
    int sockets_held = 0;

    Processor& here() { return processors[turns ? turns->running() : 0]; }
};
std::unique_ptr<State> state;

// Of a table that has an entry for each processor, the key of the one that runs.
std::string key_here(const host_table& table, const void* key) {
    std::string bytes = HostTable::bytes(key, table.key_size);
    if (table.kind == BPF_MAP_TYPE_PERCPU_ARRAY && state->turns) bytes += static_cast<char>(state->turns->running());
    return bytes;
}

constexpr int tc_redirect = 7;
constexpr int tc_drop = 2;
constexpr int ethernet = 14;

template <class Key, class Value>
void fill(const void* table, const Table<Key, Value>& entries) {
    for (const auto& [key, value] : entries) {
        state->tables[table].put(HostTable::bytes(&key, sizeof key), &value, sizeof value);
    }
}

template <class Value>
std::string number(Value value) {
    return HostTable::bytes(&value, sizeof value);
}

uint32_t added(uint32_t a, uint32_t b) { return a + b + (a + b < a ? 1 : 0); }
uint16_t folded(uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

Ip destination_of(const bpf_fib_lookup& asked) {
    const bool v4 = asked.family == AF_INET;
    const auto* bytes =
        v4 ? reinterpret_cast<const uint8_t*>(&asked.ipv4_dst) : reinterpret_cast<const uint8_t*>(asked.ipv6_dst);
    return v4 ? Ip::from_network(std::span<const uint8_t, 4>(bytes, 4))
              : Ip::from_network(std::span<const uint8_t, 16>(bytes, 16));
}

__sk_buff context_of(int link) {
    __sk_buff skb{};
    skb.len = static_cast<uint32_t>(state->here().size);
    skb.pkt_type = PACKET_HOST;
    skb.ifindex = static_cast<uint32_t>(link);
    skb.ingress_ifindex = skb.ifindex;
    uint16_t protocol = 0;
    if (state->here().size >= ethernet) std::memcpy(&protocol, state->here().data() + ethernet - 2, sizeof protocol);
    skb.protocol = protocol;
    return skb;
}

Verdict concluded(bool sends, bool drops) {
    Verdict verdict;
    if (sends) verdict = state->here().verdict;
    verdict.again = state->here().verdict.again;
    verdict.action = sends ? Verdict::Action::send : drops ? Verdict::Action::drop : Verdict::Action::pass;
    verdict.frame = state->here().frame();
    if (!state->turns) {
        for (auto& [name, table] : state->tables) table.forget_removed();
    }
    return verdict;
}

Verdict run_tc(int (*program)(__sk_buff*), int link, const std::string& frame, bool partial) {
    state->here().hold(frame);
    state->here().partial = partial;
    state->here().in_driver = false;
    state->here().verdict = {};
    __sk_buff skb = context_of(link);
    const int action = program(&skb);
    return concluded(action == tc_redirect, action == tc_drop);
}

}  // namespace

HostKernel::HostKernel(const Tables& tables, size_t services, Routing routing, uint32_t slots) {
    state = std::make_unique<State>();
    state->routing = std::move(routing);
    fill(&endpoints_table, tables.endpoints);
    fill(&backends_table, tables.backends);
    fill(&choices_table, tables.choices);
    fill(&own_table, tables.own);
    fill(&rules_table, tables.rules);
    fill(&guarded_table, tables.guarded);
    fill(&networks_table, tables.networks);
    fill(&links_table, tables.links);
    fill(&known_table, tables.known);
    state->tables[&settings_table].put(number(uint32_t{0}), &tables.settings, sizeof tables.settings);
    const hp_hashing hashing{.seed = 0x5eed, .slots = slots, .zero = 0};
    state->tables[&hashing_table].put(number(uint32_t{0}), &hashing, sizeof hashing);
    for (uint32_t slot = 0; slot < services; ++slot) {
        const hp_counts none{};
        state->tables[&counts_table].put(number(slot), &none, sizeof none);
    }
}

HostKernel::~HostKernel() { state.reset(); }

Verdict HostKernel::arrives(int link, const std::string& frame, bool partial) {
    return run_tc(hp_arrives, link, frame, partial);
}

Verdict HostKernel::leaves(int link, const std::string& frame) { return run_tc(hp_leaves, link, frame, false); }

Verdict HostKernel::in_driver(int link, const std::string& frame) {
    state->here().hold(frame);
    state->here().in_driver = true;
    state->here().verdict = {};
    xdp_md context{};
    context.ingress_ifindex = static_cast<uint32_t>(link);
    const int action = hp_in_driver(&context);
    return concluded(action == XDP_REDIRECT, action == XDP_DROP);
}

std::optional<hp_half> HostKernel::half(const hp_tuple& key) const {
    hp_request request{};
    request.key = key;
    if (hp_look_up(&request) == 0) return {};
    return request.half;
}

int HostKernel::insert(const hp_tuple& key, const hp_half& half) {
    const uint32_t zero = 0;
    hp_draft draft{};
    draft.half[HP_TO_BACKEND] = {.key = key, .half = half};
    host_update({.of = &drafts_table,
                 .kind = BPF_MAP_TYPE_PERCPU_ARRAY,
                 .key_size = sizeof zero,
                 .value_size = sizeof draft,
                 .most = 1},
                &zero, &draft, BPF_ANY);
    return hp_insert(HP_TO_BACKEND);
}

void HostKernel::remove(const hp_tuple& key) {
    const auto there = half(key);
    if (there) hp_remove(&key, there->began, static_cast<uint32_t>(state->now >> HP_TICK_BITS));
}

std::set<uint32_t> HostKernel::slots_in_use() const {
    std::set<uint32_t> slots;
    state->tables[&in_use_table].visit([&](const std::string& key, const char* value) {
        uint32_t word = 0;
        uint64_t bits = 0;
        std::memcpy(&word, key.data(), sizeof word);
        std::memcpy(&bits, value, sizeof bits);
        for (uint32_t bit = 0; bit < 64; ++bit) {
            if ((bits >> bit & 1) != 0) slots.insert(word * 64 + bit);
        }
    });
    return slots;
}

void HostKernel::connect_own(const Endpoint& from, const Endpoint& to) {
    bpf_sock_tuple ends{};
    ends.ipv4.saddr = to_wire(from.ip).word[3];
    ends.ipv4.daddr = to_wire(to.ip).word[3];
    ends.ipv4.sport = htons(from.port);
    ends.ipv4.dport = htons(to.port);
    state->connections.insert(HostTable::bytes(&ends, sizeof ends.ipv4));
}

void HostKernel::at_once(const std::vector<std::function<void()>>& processors, uint32_t seed) {
    state->turns.emplace(processors.size(), seed);
    {
        std::vector<std::jthread> threads;
        for (size_t i = 0; i < processors.size(); ++i) {
            threads.emplace_back([&, i] {
                state->turns->enter(i);
                processors[i]();
                state->turns->leave();
            });
        }
        state->turns->begin();
    }
    state->turns.reset();
}

void HostKernel::pass_time(std::chrono::nanoseconds time) { state->now += static_cast<uint64_t>(time.count()); }

}  // namespace hairpin::bpf

// --- What the programs ask of the kernel (bpf-helpers(7))

using hairpin::bpf::HostTable;
using hairpin::bpf::state;

extern "C" {

void* host_data() { return state->here().data(); }
void* host_data_end() { return state->here().data() + state->here().size; }

void host_turn() {
    if (state->turns) state->turns->pass_on();
}

void* host_lookup(host_table table, const void* key) {
    host_turn();
    HostTable& entries = state->tables[table.of];
    const std::string bytes = hairpin::bpf::key_here(table, key);
    if (table.kind == BPF_MAP_TYPE_LPM_TRIE) return entries.find_prefix(bytes);
    char* found = entries.find(bytes);
    const bool is_array = table.kind == BPF_MAP_TYPE_ARRAY || table.kind == BPF_MAP_TYPE_PERCPU_ARRAY;
    if (found || !is_array) return found;
    uint32_t index = 0;
    std::memcpy(&index, key, sizeof index);
    if (index >= table.most) return nullptr;
    const std::string zeros(table.value_size, '\0');
    return entries.put(bytes, zeros.data(), zeros.size());
}

long host_update(host_table table, const void* key, const void* value, uint64_t flags) {
    host_turn();
    HostTable& entries = state->tables[table.of];
    const std::string bytes = hairpin::bpf::key_here(table, key);
    if (flags == BPF_NOEXIST && entries.find(bytes)) return -EEXIST;
    entries.put(bytes, value, table.value_size);
    return 0;
}

long host_delete(host_table table, const void* key) {
    host_turn();
    return state->tables[table.of].remove(HostTable::bytes(key, table.key_size)) ? 0 : -ENOENT;
}

uint64_t bpf_ktime_get_coarse_ns() { return state->now; }
uint64_t bpf_jiffies64() { return state->now / hp_ns_a_jiffy; }
uint32_t bpf_get_prandom_u32() { return static_cast<uint32_t>(state->random()); }

long bpf_redirect(uint32_t link, uint64_t flags) {
    state->here().verdict.link = static_cast<int>(link);
    state->here().verdict.inward = flags == BPF_F_INGRESS;
    return state->here().in_driver ? XDP_REDIRECT : hairpin::bpf::tc_redirect;
}

long bpf_redirect_neigh(uint32_t link, void*, int, uint64_t) {
    state->here().verdict.link = static_cast<int>(link);
    state->here().verdict.resolved = true;
    return hairpin::bpf::tc_redirect;
}

long look_up_route(void*, bpf_fib_lookup* asked, int, uint32_t) asm("bpf_fib_lookup");
long look_up_route(void*, bpf_fib_lookup* asked, int, uint32_t) {
    const auto route = state->routing(hairpin::bpf::destination_of(*asked));
    if (!route) return BPF_FIB_LKUP_RET_UNREACHABLE;
    const uint32_t length = asked->tot_len;
    asked->mtu_result = static_cast<uint16_t>(route->mtu);
    asked->ifindex = static_cast<uint32_t>(route->link);
    if (!route->neighbour_known) return BPF_FIB_LKUP_RET_NO_NEIGH;
    if (length > route->mtu) return BPF_FIB_LKUP_RET_FRAG_NEEDED;
    const char* link = state->tables[&links_table].find(HostTable::bytes(&asked->ifindex, sizeof asked->ifindex));
    if (link) std::memcpy(asked->smac, reinterpret_cast<const hp_link*>(link)->mac, sizeof asked->smac);
    std::memset(asked->dmac, 0xd0, sizeof asked->dmac);
    return BPF_FIB_LKUP_RET_SUCCESS;
}

bpf_sock* bpf_skc_lookup_tcp(void*, bpf_sock_tuple* tuple, uint32_t size, uint64_t, uint64_t) {
    if (!state->connections.contains(HostTable::bytes(tuple, size))) return nullptr;
    ++state->sockets_held;
    state->socket.state = BPF_TCP_ESTABLISHED;
    return &state->socket;
}
long bpf_sk_release(void*) { return --state->sockets_held; }

// net/core/filter.c and utils.c, where `from` is 0 and `to` a difference.
long bpf_l4_csum_replace(void*, uint32_t offset, uint64_t, uint64_t to, uint64_t flags) {
    using namespace hairpin::bpf;
    if (!state->here().holds(offset, sizeof(uint16_t))) return -EFAULT;
    uint16_t check = 0;
    std::memcpy(&check, state->here().data() + offset, sizeof check);
    const bool may_be_none = (flags & BPF_F_MARK_MANGLED_0) != 0;
    if (may_be_none && check == 0) return 0;
    const auto difference = static_cast<uint32_t>(to);
    if (!state->here().partial) {
        check = static_cast<uint16_t>(~folded(added(difference, static_cast<uint16_t>(~check))));
    } else if ((flags & BPF_F_PSEUDO_HDR) != 0) {
        check = folded(added(difference, check));
    }
    if (may_be_none && check == 0) check = 0xffff;
    std::memcpy(state->here().data() + offset, &check, sizeof check);
    return 0;
}

// Nobody has summed up a whole packet here.
int64_t bpf_csum_update(void*, uint32_t) { return -ENOTSUP; }

long bpf_skb_pull_data(void*, uint32_t size) { return size <= state->here().size ? 0 : -ENOMEM; }

long bpf_skb_load_bytes(const void*, uint32_t offset, void* to, uint32_t size) {
    if (!state->here().holds(offset, size)) return -EFAULT;
    std::memcpy(to, state->here().data() + offset, size);
    return 0;
}

long bpf_skb_store_bytes(void*, uint32_t offset, const void* from, uint32_t size, uint64_t) {
    if (!state->here().holds(offset, size)) return -EFAULT;
    std::memcpy(state->here().data() + offset, from, size);
    return 0;
}

// Only to where the packet has come by.
long bpf_clone_redirect(void* context, uint32_t link, uint64_t flags) {
    if (flags != BPF_F_INGRESS || link != static_cast<__sk_buff*>(context)->ifindex) return -EINVAL;
    state->here().verdict.again.push_back(state->here().frame());
    return 0;
}

long bpf_skb_change_tail(void*, uint32_t size, uint64_t) {
    std::string frame = state->here().frame();
    frame.resize(size);
    state->here().hold(frame);
    return 0;
}

long bpf_skb_adjust_room(void*, int32_t room, uint32_t, uint64_t) {
    std::string frame = state->here().frame();
    if (room < 0 || frame.size() < hairpin::bpf::ethernet) return -EINVAL;
    frame.insert(hairpin::bpf::ethernet, static_cast<size_t>(room), '\0');
    state->here().hold(frame);
    return 0;
}
}
