// The programs of the tc and xdp engines on any frames, one after the other: no access beyond a frame, no change of one
// that the driver's program passes on, nor of the size of one that the others do. Each begins with a byte of choices,
// such as its link, and the low byte of its length.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"
#include "host_kernel.h"

namespace {

using namespace hairpin;

bpf::Tables tables() {
    const auto at = [](const char* text) { return *Ip::parse(text); };
    const Config config = parse_config(
        "defaults: {protocol: both}\n"
        "services:\n"
        "  v4: {listen: \"1.0.0.1:80-82\", backends: [\"10.0.0.2:80-82\", \"10.0.0.3:80-82\"],\n"
        "       deny: [9.0.0.0/8, 1.0.0.128/25]}\n"
        "  own: {listen: \"1.0.0.1:90\", backends: \"10.0.0.1:90\"}\n"
        "  v6: {listen: \"[2001:db8::1]:80\", backends: \"[fd00::2]:80\", balance: source_hash,\n"
        "       allow: [\"2000::/3\", \"fd00::/8\"]}\n",
        "fuzz.yaml");
    if (!config.errors.empty()) std::abort();
    const Topology topology(
        {{1, "lo"}, {2, "ext"}, {3, "int"}},
        {{at("1.0.0.1"), 24, 2}, {at("10.0.0.1"), 24, 3}, {at("2001:db8::1"), 64, 2}, {at("fd00::1"), 64, 3}},
        {{Prefix::of(Ip::v4(0), 0), at("1.0.0.254"), 2}});
    bpf::Compiler compiler(0);
    bpf::Tables tables =
        compiler.compile({Ruleset(config.services), topology}, {40000, 40009}, [](const Service&) { return 0U; });
    for (auto& [index, link] : tables.links) link.takes_frames_until = 1U << 30;
    return tables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const bpf::Tables made = tables();
    bpf::HostKernel kernel(made, 1, [](const Ip& ip) { return bpf::HostKernel::Route{ip.is_private() ? 3 : 2, 150}; });
    std::string_view left(reinterpret_cast<const char*>(data), size);
    while (left.size() > 2) {
        const auto choices = static_cast<uint8_t>(left[0]);
        const int link = 1 + choices % 3;
        const size_t length = static_cast<uint8_t>(left[1]) + (choices & 0x40 ? 256U : 0U);
        if (choices & 0x80) kernel.pass_time(std::chrono::milliseconds(1100));
        const std::string frame(left.substr(2, length));
        left.remove_prefix(std::min(left.size(), 2 + length));
        using Action = bpf::Verdict::Action;
        const bpf::Verdict by_driver = kernel.in_driver(link, frame);
        if (by_driver.action != Action::send && by_driver.frame != frame) std::abort();
        for (const bpf::Verdict& verdict : {kernel.leaves(link, frame), kernel.arrives(link, frame)}) {
            if (verdict.action == Action::pass && verdict.frame.size() != frame.size()) std::abort();
        }
    }
    return 0;
}
