#include "packet_cost.h"

// Theory of operation.
//
// BPF_PROG_TEST_RUN repeats a program on a frame of ours. The programs and their maps are those of a gateway of the
// xdp engine, set up by hairpin itself; then its daemon is killed, as it may be at any time, so that no sweep is
// measured along. A program of our own (kern/flow_picker.bpf.c) makes the frame that of one flow after the other, and
// calls the one that is measured. It is part of the figure, and with a program that does nothing makes up that of
// `direct`. Flows take turns by the golden section, so that neighbours in memory are far apart in time.
//
// A flow's hop holds for a second. So a round waits until those of the one before are gone, begins with a packet of
// each flow that it takes, by the program that looks hops up, and does not count if it took longer than they hold. Of
// many flows it takes more than any cache holds.

#include <bpf/bpf.h>
#include <flow_picker.skel.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <ctime>
#include <numeric>
#include <thread>

#include "engines/bpf/kernel.h"
#include "engines/bpf/pins.h"
#include "engines/bpf/sweeper.h"
#include "net/netlink_topology.h"

namespace hairpin::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int rounds = 11;
constexpr uint32_t repetitions = 200'000;
constexpr uint32_t round_flows = 250'000;  // the most; each has some 300 bytes of its own to be looked at
constexpr int attempts = 20;
constexpr auto hop_holds = std::chrono::milliseconds(950);  // HP_HOP_LASTS, give or take a tick
constexpr auto hop_gone = std::chrono::milliseconds(1050);
constexpr uint32_t first_client = 20 << 24;                 // 20.0.0.0, beyond the client
const Endpoint nobody = *Endpoint::parse("10.0.0.77:443");  // behind the gateway, and no service's
constexpr uint16_t any_sum = 0x1234;                        // nobody looks whether it is right

// 60 bytes, the least of Ethernet.
struct [[gnu::packed]] Frame {
    ethhdr ethernet;
    iphdr ip;
    tcphdr tcp;
    std::array<uint8_t, 6> padding;
};
static_assert(sizeof(Frame) == 60);

enum class Segment { first, established };

Frame frame_of(const std::array<uint8_t, 6>& mac, const Endpoint& to, Segment segment) {
    Frame frame{};
    std::ranges::copy(mac, frame.ethernet.h_dest);
    frame.ethernet.h_proto = htons(ETH_P_IP);
    frame.ip.version = 4;
    frame.ip.ihl = 5;
    frame.ip.tot_len = htons(sizeof frame.ip + sizeof frame.tcp);
    frame.ip.ttl = 64;
    frame.ip.protocol = IPPROTO_TCP;
    frame.ip.check = any_sum;
    frame.ip.daddr = htonl(to.ip.v4_bits());
    frame.tcp.dest = htons(to.port);
    frame.tcp.doff = 5;
    frame.tcp.syn = segment == Segment::first;
    frame.tcp.ack = segment == Segment::established;
    frame.tcp.check = any_sum;
    return frame;
}

// The golden section, or what is next to it and leads through all of them.
uint32_t step_through(uint32_t flows) {
    auto step = static_cast<uint32_t>(0.618034 * flows);
    while (std::gcd(step, flows) != 1) ++step;
    return step;
}

double thread_cpu() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// A gateway, and so many TCP connections through it.
class Crowd {
public:
    static Result<std::unique_ptr<Crowd>> open(uint32_t flows) {
        std::unique_ptr<Crowd> crowd(new Crowd(flows));
        auto opened = crowd->start();
        if (opened) opened = crowd->gateway().run([&] { return crowd->load(); });
        if (opened) opened = crowd->gateway().run([&] { return crowd->connect(); });
        if (!opened) return opened.error();
        return crowd;
    }
    uint32_t flows() const { return flows_; }

    // What a packet takes of the contestant's program: that of a flow, and one that is for no service.
    Result<Sample> costs(Contestant contestant) {
        const auto established = gateway().run([&] { return cost_of_established(contestant); });
        if (!established) return established.error();
        if (contestant != Contestant::direct && !was_sent(contestant)) return Error{"packets of flows do not leave"};
        const auto bystander = gateway().run([&] { return cost(contestant, nobody); });
        if (!bystander) return bystander.error();
        if (was_sent(contestant)) return Error{"packets of no service leave"};
        return Sample{{Metric::packet_time, *established}, {Metric::bystander_time, *bystander}};
    }

private:
    struct Destroy {
        void operator()(flow_picker* picker) const { flow_picker__destroy(picker); }
    };

    explicit Crowd(uint32_t flows) : flows_(flows) {}

    const lab::Host& gateway() const { return arena_->host("gateway"); }

    Result<> start() {
        auto arena = Arena::open(Contestant::hairpin_xdp);
        if (!arena) return arena.error();
        arena_ = *std::move(arena);
        arena_->process()->signal(SIGKILL);
        (void)arena_->process()->wait(std::chrono::seconds(10));
        return {};
    }

    Result<> load() {
        const auto topology = read_topology();
        if (!topology) return topology.error();
        ext_ = *std::ranges::find(topology->links(), "ext", &Link::name);
        const auto folder = bpf::pin_folder();
        if (!folder) return folder.error();
        auto kernel = bpf::Kernel::load(*folder, true);
        if (!kernel) return kernel.error();
        kernel_ = *std::move(kernel);
        picker_.reset(flow_picker__open_and_load());
        if (!picker_) return system_error("loading the program that picks flows");
        picker_->bss->pick_first_client = first_client;
        picker_->data->pick_flows = flows_;
        picker_->bss->pick_step = step_through(flows_);
        return vouch_for_drivers();
    }

    // All of them, and for long: nobody sends anything here.
    Result<> vouch_for_drivers() {
        const auto links = kernel_->maps().links.all();
        if (!links) return links.error();
        const auto now = kernel_->flows().now();
        if (!now) return now.error();
        for (auto [index, link] : *links) {
            link.takes_frames_until = *now + (1U << 30);
            if (auto put = kernel_->maps().links.put(index, link); !put) return put;
        }
        return {};
    }

    Result<> connect() {
        for (const Segment segment : {Segment::first, Segment::established}) {
            prepare(asked_requests, segment);
            if (auto done = visit(flows_); !done) return done;
        }
        size_t live = 0;
        auto seen = bpf::visit_flows(*kernel_, [&](const bpf::FlowState& flow) { live += flow.back ? 1 : 0; });
        if (!seen) return seen;
        if (live < flows_) return Error{fmt::format("{} of {} flows were made", live, flows_)};
        return {};
    }

    // The frame from now on.
    void prepare(const Endpoint& to, Segment segment) {
        const Frame frame = frame_of(ext_.mac, to, segment);
        std::memcpy(picker_->bss->pick_frame, &frame, sizeof picker_->bss->pick_frame);
    }

    Result<double> cost(Contestant contestant, const Endpoint& to) {
        prepare(to, Segment::established);
        return run(contestant, repetitions);
    }

    Result<double> cost_of_established(Contestant contestant) {
        if (contestant == Contestant::direct) return cost(contestant, asked_requests);
        for (int i = 0; i < attempts; ++i) {
            const uint32_t first = picker_->bss->pick_flow;
            prepare(asked_requests, Segment::established);
            std::this_thread::sleep_until(visited_ + hop_gone);  // only then it is looked up again
            const auto began = Clock::now();
            if (auto done = visit(std::min(flows_, round_flows)); !done) return done.error();
            picker_->bss->pick_flow = first;
            auto seconds = run(contestant, repetitions);
            if (!seconds || Clock::now() - began < hop_holds) return seconds;
        }
        return Error{"this machine is too slow: a round took more than a second each time"};
    }

    // A packet of each of so many flows, by the program that looks hops up.
    Result<> visit(uint32_t flows) {
        const auto done = run(Contestant::hairpin_tc, flows);
        visited_ = Clock::now();
        return done ? Result<>() : done.error();
    }

    bool was_sent(Contestant contestant) const {  // the last
        constexpr uint32_t tc_redirect = 7;       // TC_ACT_REDIRECT
        return code_ == (contestant == Contestant::hairpin_xdp ? uint32_t{XDP_REDIRECT} : tc_redirect);
    }

    int program_of(Contestant contestant) const {
        if (contestant == Contestant::direct) return bpf_program__fd(picker_->progs.pick_nothing);
        return kernel_->program(contestant == Contestant::hairpin_xdp ? bpf::Hook::driver : bpf::Hook::arrives);
    }

    // Seconds of CPU time for each of so many times.
    Result<double> run(Contestant contestant, uint32_t times) {
        const bool in_driver = contestant == Contestant::hairpin_xdp;
        const uint32_t zero = 0;
        const int measured = program_of(contestant);
        const int table = bpf_map__fd(in_driver ? picker_->maps.pick_xdp : picker_->maps.pick_tc);
        if (bpf_map_update_elem(table, &zero, &measured, BPF_ANY) != 0) return system_error("calling a program");
        const Frame frame = frame_of(ext_.mac, asked_requests, Segment::established);
        __sk_buff packet{};
        packet.ifindex = static_cast<uint32_t>(ext_.index);
        xdp_md raw{};
        raw.data_end = sizeof frame;
        raw.ingress_ifindex = packet.ifindex;
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = &frame;
        options.data_size_in = sizeof frame;
        options.ctx_in = in_driver ? static_cast<void*>(&raw) : &packet;
        options.ctx_size_in = in_driver ? sizeof raw : sizeof packet;
        options.repeat = static_cast<int>(times);
        const double before = thread_cpu();
        const auto& picking = in_driver ? picker_->progs.pick_for_xdp : picker_->progs.pick_for_tc;
        if (bpf_prog_test_run_opts(bpf_program__fd(picking), &options) != 0) return system_error("BPF_PROG_TEST_RUN");
        code_ = options.retval;
        return (thread_cpu() - before) / times;
    }

    const uint32_t flows_;
    std::unique_ptr<Arena> arena_;
    Link ext_;
    Clock::time_point visited_;  // when that ended
    uint32_t code_ = 0;          // of the last run
    std::optional<bpf::Kernel> kernel_;
    std::unique_ptr<flow_picker, Destroy> picker_;
};

bool has_programs(Contestant c) {
    return c == Contestant::direct || c == Contestant::hairpin_tc || c == Contestant::hairpin_xdp;
}

}  // namespace

// The largest first: the last stays open for as long as there are measures.
std::vector<Measure> packet_cost_measures() {
    std::vector<Measure> all;
    const auto shared = std::make_shared<std::unique_ptr<Crowd>>();
    for (const uint32_t flows : {1'000'000U, 10'000U, 1U}) {
        const auto run = [shared, flows](const Arena& arena, Path) -> Result<Sample> {
            std::unique_ptr<Crowd>& crowd = *shared;
            if (!crowd || crowd->flows() != flows) {
                crowd.reset();
                auto opened = Crowd::open(flows);
                if (!opened) return opened.error();
                crowd = *std::move(opened);
            }
            return crowd->costs(arena.contestant());
        };
        all.push_back({fmt::format("packet-cost-{}", flows),
                       fmt::format("CPU time of the program for a packet, {} TCP connection{} live; direct: a program "
                                   "that does nothing, which is part of the others",
                                   flows, flows == 1 ? "" : "s"),
                       {Path::external},
                       has_programs,
                       run,
                       {},
                       rounds});
    }
    return all;
}

}  // namespace hairpin::bench
