#include "generator.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>
#include <fstream>
#include <sstream>

#include "load.h"
#include "net/socket.h"

namespace hairpin::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Mac = std::array<uint8_t, 6>;

constexpr size_t frame_size = 60;  // the least of Ethernet, without its checksum
constexpr uint32_t ports = 62'500;
constexpr uint16_t first_port = 1024;
constexpr uint16_t identification = 0x8000;
constexpr size_t identification_at = 18;
constexpr size_t last_source_byte_at = 29;
constexpr size_t source_port_at = 34;
constexpr size_t payload_at = 42;
using Frame = std::array<uint8_t, frame_size>;

Fd bpf(bpf_cmd command, bpf_attr& attribute) {
    return Fd(static_cast<int>(syscall(SYS_bpf, command, &attribute, sizeof attribute)));
}

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

Result<Fd> load(const std::vector<bpf_insn>& program) {
    bpf_attr attribute{};
    attribute.prog_type = BPF_PROG_TYPE_XDP;
    attribute.expected_attach_type = BPF_XDP;
    attribute.insns = address_of(program.data());
    attribute.insn_cnt = static_cast<uint32_t>(program.size());
    attribute.license = address_of("GPL");
    Fd fd = bpf(BPF_PROG_LOAD, attribute);
    if (!fd) return system_error("loading a BPF program");
    return fd;
}

// --- Programs, in the kernel's instructions (kernel: Documentation/bpf/standardization/instruction-set.rst)

constexpr bpf_insn insn(uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t immediate) {
    return {code, static_cast<uint8_t>(to & 0xf), static_cast<uint8_t>(from & 0xf), offset, immediate};
}
constexpr bpf_insn set(uint8_t to, int32_t value) { return insn(BPF_ALU | BPF_MOV | BPF_K, to, 0, 0, value); }
constexpr bpf_insn copy(uint8_t to, uint8_t from) { return insn(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
constexpr bpf_insn compute(uint8_t operation, uint8_t to, int32_t value) {
    return insn(static_cast<uint8_t>(BPF_ALU | operation | BPF_K), to, 0, 0, value);
}
constexpr bpf_insn network_order(uint8_t value) { return insn(BPF_ALU | BPF_END | BPF_TO_BE, value, 0, 0, 16); }
constexpr bpf_insn store(uint8_t size, size_t at, uint8_t from) {
    return insn(static_cast<uint8_t>(BPF_STX | BPF_MEM | size), 2, from, static_cast<int16_t>(at), 0);
}
constexpr bpf_insn leave = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

std::vector<bpf_insn> dropper() { return {set(0, XDP_DROP), leave}; }

// Writes the frame anew each time, since the kernel uses the page again with what the way has changed in it, and gives
// it one of `flows` sources: 62,500 ports, then the last byte of the address. The identification makes up for that byte
// in the header's checksum, and two words of the payload make up for both in that of UDP.
std::vector<bpf_insn> sender(const Frame& frame, uint32_t flows) {
    const auto addresses = static_cast<int32_t>((flows + ports - 1) / ports);
    std::vector<bpf_insn> program = {
        copy(6, 1),
        insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_prandom_u32),
        copy(7, 0),
        insn(BPF_LDX | BPF_MEM | BPF_W, 2, 6, offsetof(xdp_md, data), 0),
        insn(BPF_LDX | BPF_MEM | BPF_W, 3, 6, offsetof(xdp_md, data_end), 0),
        copy(4, 2),
        insn(BPF_ALU64 | BPF_ADD, 4, 0, 0, frame_size),
        insn(BPF_JMP | BPF_JLE | BPF_X, 4, 3, 2, 0),
        set(0, XDP_DROP),
        leave,
    };
    for (size_t at = 0; at < frame.size(); at += 4) {
        int32_t word = 0;
        std::memcpy(&word, frame.data() + at, sizeof word);
        program.push_back(insn(BPF_ST | BPF_MEM | BPF_W, 2, 0, static_cast<int16_t>(at), word));
    }
    const std::vector<bpf_insn> choose = {
        insn(BPF_ALU | BPF_MOV | BPF_X, 0, 7, 0, 0),
        compute(BPF_MOD, 0, static_cast<int32_t>(std::min(flows, ports))),
        compute(BPF_ADD, 0, first_port),
        network_order(0),
        store(BPF_H, source_port_at, 0),
        compute(BPF_XOR, 0, 0xffff),
        store(BPF_H, payload_at, 0),
        compute(BPF_RSH, 7, 16),
        compute(BPF_MOD, 7, addresses),
        set(0, identification),
        insn(BPF_ALU | BPF_SUB | BPF_X, 0, 7, 0, 0),
        network_order(0),
        store(BPF_H, identification_at, 0),
        store(BPF_H, payload_at + 2, 0),
        compute(BPF_ADD, 7, frame[last_source_byte_at]),
        store(BPF_B, last_source_byte_at, 7),
        set(0, XDP_TX),
        leave,
    };
    program.insert(program.end(), choose.begin(), choose.end());
    return program;
}

// --- The frame

// RFC 1071, of bytes in which the checksum's own field is zero.
uint16_t checksum(std::span<const uint8_t> header, uint32_t sum = 0) {
    for (size_t i = 0; i < header.size(); i += 2) sum += static_cast<uint32_t>(header[i] << 8 | header[i + 1]);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(~sum);
}

Frame frame_of(const Mac& from, const Mac& to, const Ip& source, const Endpoint& destination) {
    constexpr size_t ip = 14;
    constexpr size_t udp = ip + 20;
    Frame frame{};
    const auto put = [&](size_t at, uint16_t value) {
        frame[at] = static_cast<uint8_t>(value >> 8);
        frame[at + 1] = static_cast<uint8_t>(value);
    };
    std::ranges::copy(to, frame.begin());
    std::ranges::copy(from, frame.begin() + 6);
    put(12, 0x0800);
    put(ip, 0x4500);
    put(ip + 2, frame_size - ip);
    put(identification_at, identification);
    put(ip + 8, 64 << 8 | IPPROTO_UDP);
    std::ranges::copy(source.network_bytes(), frame.begin() + ip + 12);
    std::ranges::copy(destination.ip.network_bytes(), frame.begin() + ip + 16);
    put(ip + 10, checksum(std::span(frame).subspan<ip, 20>()));
    put(udp + 2, destination.port);
    put(udp + 4, frame_size - udp);
    put(payload_at, 0xffff);  // for the port, which is zero here
    put(payload_at + 2, identification);
    // The pseudo header: both addresses, the protocol, the length (RFC 768).
    const uint16_t addresses = checksum(std::span(frame).subspan<ip + 12, 8>());
    const uint32_t pseudo = static_cast<uint16_t>(~addresses) + IPPROTO_UDP + uint32_t{frame_size - udp};
    put(udp + 6, checksum(std::span(frame).subspan<udp>(), pseudo));
    return frame;
}

// --- The links that it passes

Result<> link_request(const lab::Host& host, const char* link, unsigned long request, ifreq& about) {
    std::strncpy(about.ifr_name, link, IFNAMSIZ - 1);
    const int failed = host.run([&] {
        const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return ioctl(fd.get(), request, &about) == 0 ? 0 : errno;
    });
    if (failed != 0) return system_error(link, failed);
    return {};
}

Result<Mac> mac_of(const lab::Host& host, const char* link) {
    ifreq about{};
    if (auto asked = link_request(host, link, SIOCGIFHWADDR, about); !asked) return asked.error();
    Mac mac{};
    std::memcpy(mac.data(), about.ifr_hwaddr.sa_data, mac.size());
    return mac;
}

// A veth takes frames that were not made by its own stack only while its other end receives by NAPI, which GRO turns
// on (kernel: veth_xdp_xmit).
Result<> receive_frames(const lab::Host& host, const char* link) {
    ethtool_value on{ETHTOOL_SGRO, 1};
    ifreq about{};
    about.ifr_data = reinterpret_cast<char*>(&on);
    return link_request(host, link, SIOCETHTOOL, about);
}

Result<Fd> drop_on_arrival(const lab::Host& host, const char* name) {
    auto program = load(dropper());
    if (!program) return program.error();
    bpf_attr attribute{};
    attribute.link_create.prog_fd = static_cast<uint32_t>(program->get());
    attribute.link_create.attach_type = BPF_XDP;
    Fd link = host.run([&] {
        attribute.link_create.target_ifindex = if_nametoindex(name);
        return bpf(BPF_LINK_CREATE, attribute);
    });
    if (!link) return system_error("dropping packets with XDP");
    return link;
}

// proc(5): "eth0: BYTES PACKETS ..."
uint64_t packets_received(const lab::Host& host, const char* name) {
    return host.run([name] {
        std::ifstream file("/proc/thread-self/net/dev");
        std::string line;
        const std::string label = fmt::format(" {}:", name);
        while (std::getline(file, line) && (" " + line).find(label) == line.npos) {
        }
        std::istringstream fields(line.substr(line.find(':') + 1));
        uint64_t bytes = 0;
        uint64_t packets = 0;
        fields >> bytes >> packets;
        return packets;
    });
}

// On one core with all that receives: were that on another, the sender would outrun it and most of the frames be lost.
void stay_on_one_core() {
    cpu_set_t cores;
    sched_getaffinity(0, sizeof cores, &cores);
    int first = 0;
    while (!CPU_ISSET(first, &cores)) ++first;
    CPU_ZERO(&cores);
    CPU_SET(first, &cores);
    sched_setaffinity(0, sizeof cores, &cores);
}

Result<> send(const lab::Host& host, const Fd& program, const Frame& frame, uint32_t frames) {
    return host.run([&]() -> Result<> {
        stay_on_one_core();
        xdp_md context{};
        context.data_end = frame_size;
        context.ingress_ifindex = if_nametoindex("eth0");
        bpf_attr attribute{};
        attribute.test.prog_fd = static_cast<uint32_t>(program.get());
        attribute.test.data_in = address_of(frame.data());
        attribute.test.data_size_in = frame_size;
        attribute.test.ctx_in = address_of(&context);
        attribute.test.ctx_size_in = sizeof context;
        attribute.test.repeat = frames;
        attribute.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attribute, sizeof attribute) != 0) {
            return system_error("BPF_PROG_TEST_RUN with live frames");
        }
        return {};
    });
}

}  // namespace

Result<double> packets_per_second(const Arena& arena, Path path, uint32_t flows, uint32_t frames) {
    const Client client = arena.requests(path);
    const lab::Host& gateway = arena.host("gateway");
    const lab::Host& server = arena.host("server1");
    const bool peer = path == Path::peer;
    const bool straight = peer && arena.contestant() == Contestant::direct;  // past the gateway

    // That of the client, and those by which a gateway may send on what it has not made into packets.
    for (const auto& [host, link] : {std::pair(&gateway, "ext"),
                                     {&arena.switch_host(), "server2"},
                                     {&arena.switch_host(), "gateway"},
                                     {&arena.host("client"), "eth0"}}) {
        if (auto receives = receive_frames(*host, link); !receives) return receives.error();
    }
    const auto from = mac_of(client.host, "eth0");
    const auto to = straight ? mac_of(server, "eth0") : mac_of(gateway, peer ? "int" : "ext");
    if (!from || !to) return from ? to.error() : from.error();
    // Beyond the client, where only its address could be answered.
    const Ip source = peer ? *Ip::parse("10.0.0.3") : *Ip::parse("2.0.0.0");
    const Frame frame = frame_of(*from, *to, source, client.asked);
    const auto program = load(sender(frame, flows));
    if (!program) return program.error();

    // So that everybody on the way knows everybody's link address.
    if (!wait_for_answer(client, true, std::chrono::seconds(5))) return Error{"no answer"};
    // Where they have left the gateway: what a switch costs is not its affair.
    const lab::Host& end = peer ? server : arena.switch_host();
    const char* end_link = peer ? "eth0" : "gateway";
    const auto sink = drop_on_arrival(end, end_link);
    if (!sink) return sink.error();
    const uint32_t first_packets = std::max(frames / 8, 4 * flows);  // of 98 % of the flows, for they are drawn
    if (auto sent = send(client.host, *program, frame, first_packets); !sent) return sent.error();
    const uint64_t before = packets_received(end, end_link);
    const auto began = Clock::now();
    if (auto sent = send(client.host, *program, frame, frames); !sent) return sent.error();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    const uint64_t received = packets_received(end, end_link) - before;
    if (received < frames / 10) return Error{std::to_string(received) + " of " + std::to_string(frames) + " arrived"};
    return static_cast<double>(received) / seconds;
}

}  // namespace hairpin::bench
