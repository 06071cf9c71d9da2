#include "engines/nft/netfilter.h"

#include <linux/capability.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "engines/nft/table.h"

namespace hairpin::nft {
namespace {

using nlohmann::json;

constexpr std::string_view doing = "the kernel's packet filter";

// libnftables says "FILE:LINE:COLUMN: Error: WHY", then quotes the command, which may be megabytes.
Error failure(std::string_view output) {
    constexpr std::string_view mark = "Error: ";
    constexpr size_t longest = 300;
    const size_t at = output.find(mark);
    std::string_view why = at == output.npos ? output : output.substr(at + mark.size());
    why = why.substr(0, std::min(why.find('\n'), longest));
    std::string message = std::string(doing) + ": " + std::string(why);
    if (why.find("Operation not permitted") != why.npos) {
        message += "; the engine needs the capability CAP_NET_ADMIN: run as root or grant it, or use engine: proxy";
    } else if (why.find("Message too long") != why.npos) {
        message +=
            "; so many services at once take a larger socket buffer: raise net.core.wmem_max, or run as root "
            "of the machine, which may exceed it";
    } else if (why.find("Protocol not supported") != why.npos || why.find("Operation not supported") != why.npos) {
        message += "; the kernel lacks nf_tables or a part of it (nft_nat, nft_ct, nft_fib_inet): use engine: proxy";
    }
    return {message};
}

bool may_administer() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    return ::syscall(SYS_capget, &header, data.data()) == 0 && (data[0].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

// {"nftables": [{"metainfo": ...}, {KIND: {...}}, ...]}: the objects of one kind.
template <class Visit>
Result<> each_object(const std::string& output, const char* kind, Visit visit) {
    try {
        const json listing = json::parse(output);
        for (const json& object : listing.at("nftables")) {
            if (const auto found = object.find(kind); found != object.end()) visit(*found);
        }
    } catch (const json::exception& unexpected) {
        return Error{std::string(doing) + ": its list of " + kind + "s is not understood: " + unexpected.what()};
    }
    return {};
}

}  // namespace

void Netfilter::Free::operator()(nft_ctx* context) const { nft_ctx_free(context); }

Netfilter::Netfilter() = default;
Netfilter::~Netfilter() = default;

// libnftables ends the process where the kernel has no such socket, and writes to stderr itself where we are nobody.
Result<> Netfilter::open() {
    if (context_) return {};
    if (!may_administer()) return failure(std::strerror(EPERM));
    if (!Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER))) return failure(std::strerror(errno));
    context_.reset(nft_ctx_new(NFT_CTX_DEFAULT));
    nft_ctx_buffer_output(context_.get());
    nft_ctx_buffer_error(context_.get());
    return {};
}

Result<> Netfilter::apply(const std::string& commands) {
    if (const auto done = run(commands); !done) return done.error();
    ++transactions_;
    return {};
}

Result<std::vector<Chain>> Netfilter::chains() {
    const auto output = run("list chains", NFT_CTX_OUTPUT_JSON);
    if (!output) return output.error();
    std::vector<Chain> chains;
    const auto listed = each_object(*output, "chain", [&](const json& chain) {
        chains.push_back({chain.at("family"), chain.at("table"), chain.at("name"), chain.value("hook", ""),
                          chain.value("policy", "")});
    });
    if (!listed) return listed.error();
    return chains;
}

Result<std::string> Netfilter::show(const std::string& family_and_table) {
    return run("list table " + family_and_table, NFT_CTX_OUTPUT_TERSE);
}

Result<std::string> Netfilter::run(const std::string& commands, unsigned output_flags) {
    if (auto opened = open(); !opened) return opened.error();
    nft_ctx_output_set_flags(context_.get(), output_flags);
    const int status = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
    std::string output = nft_ctx_get_output_buffer(context_.get());
    const std::string errors = nft_ctx_get_error_buffer(context_.get());  // reading empties it
    if (status != 0) return failure(errors);
    return output;
}

}  // namespace hairpin::nft
