#include "support/loaded_kernel.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engines/bpf/settle.h"
#include "engines/bpf/sweeper.h"
#include "support/gate.h"

namespace hairpin::bpf {
namespace {

using Action = Verdict::Action;

constexpr int dropped = 2;  // TCX_DROP
constexpr int failed = -2;  // no code of a program
constexpr size_t mac_size = 6;
constexpr size_t most = 4096;  // bytes of a frame that comes back

// Runs a program once. Its code, or failed: the kernel does not run it on such a frame.
template <class Context>
int run_once(int program, Context& context, std::span<const char> frame, std::span<char> left, size_t& left_size) {
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = frame.data();
    options.data_size_in = static_cast<uint32_t>(frame.size());
    options.data_out = left.data();
    options.data_size_out = static_cast<uint32_t>(left.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof context;
    if (::bpf_prog_test_run_opts(program, &options) != 0) return failed;
    left_size = options.data_size_out;
    return static_cast<int>(options.retval);
}

__sk_buff arriving_by(int link) {
    __sk_buff context{};
    context.ifindex = static_cast<uint32_t>(link);
    context.ingress_ifindex = context.ifindex;
    return context;
}

bool is_zero(std::string_view bytes) { return bytes.find_first_not_of('\0') == bytes.npos; }

}  // namespace

Result<std::unique_ptr<LoadedKernel>> LoadedKernel::load(const std::filesystem::path& folder) {
    auto kernel = Kernel::load(folder, true);
    if (!kernel) return kernel.error();
    return std::unique_ptr<LoadedKernel>(new LoadedKernel(*std::move(kernel)));
}

Result<> LoadedKernel::serve(const Tables& tables, size_t services) {
    std::vector<FlowState> flows;
    if (auto seen = visit_flows(kernel_, [&](const FlowState& flow) { flows.push_back(flow); }); !seen) return seen;
    const auto time = kernel_.flows().now();
    if (!time) return time.error();
    for (const FlowState& flow : flows) kernel_.flows().remove_live(flow.asked, flow.forth.began, *time);
    for (uint32_t slot = 0; slot < services; ++slot) {
        if (auto put = kernel_.maps().counts.put(slot, {}); !put) return put;
    }
    if (auto settled = settle(kernel_.maps(), tables_, tables); !settled) return settled;
    tables_ = tables;
    return {};
}

Verdict LoadedKernel::arrives(int link, const std::string& frame) {
    __sk_buff context = arriving_by(link);
    std::string left(most, '\0');
    size_t size = 0;
    const int code = run_once(kernel_.program(Hook::arrives), context, frame, left, size);
    EXPECT_NE(code, failed) << std::strerror(errno);
    left.resize(size);
    if (code == code_of_redirect) return concluded(frame, left);
    return {.action = code == dropped ? Action::drop : Action::pass, .frame = left};
}

Verdict LoadedKernel::in_driver(int link, const std::string& frame) {
    xdp_md context{};
    context.data_end = static_cast<uint32_t>(frame.size());
    context.ingress_ifindex = static_cast<uint32_t>(link);
    std::string left(most, '\0');
    size_t size = 0;
    const int code = run_once(kernel_.program(Hook::driver), context, frame, left, size);
    EXPECT_NE(code, failed) << std::strerror(errno);
    left.resize(size);
    if (code == XDP_REDIRECT) return concluded(frame, left);
    return {.action = code == XDP_PASS ? Action::pass : Action::drop, .frame = left};
}

std::optional<hp_half> LoadedKernel::half(const hp_tuple& key) const { return kernel_.flows().get(key); }

int LoadedKernel::run(int link, std::string_view frame, std::span<char> left) const {
    __sk_buff context = arriving_by(link);
    size_t size = 0;
    return run_once(kernel_.program(Hook::arrives), context, frame, left, size);
}

// The kernel does not say where to; but the link addresses do, and where it is to find them, the flow.
Verdict LoadedKernel::concluded(const std::string& sent, const std::string& left) const {
    Verdict verdict{.action = Action::send, .frame = left};
    const std::string_view addresses = std::string_view(left).substr(0, 2 * mac_size);
    if (is_zero(addresses)) {
        verdict.link = lo;
        verdict.inward = true;
    } else if (addresses == std::string_view(sent).substr(0, 2 * mac_size)) {
        const Packet packet = packet_in(sent);
        const Protocol protocol = packet.protocol == IPPROTO_TCP ? Protocol::tcp : Protocol::udp;
        const auto flow = half(tuple_of({protocol, packet.from, packet.to}));
        verdict.link = flow ? static_cast<int>(flow->hop.link) : 0;
        verdict.resolved = true;
    } else {
        for (const auto& [index, link] : tables_.links) {
            if (std::memcmp(link.mac, addresses.data() + mac_size, mac_size) == 0)
                verdict.link = static_cast<int>(index);
        }
    }
    return verdict;
}

}  // namespace hairpin::bpf
