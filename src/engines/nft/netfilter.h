// The kernel's packet filter, as nft(8) commands through libnftables.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct nft_ctx;

namespace hairpin::nft {

// A chain of anybody's.
struct Chain {
    std::string family;  // "inet", "ip", ...
    std::string table;
    std::string name;
    std::string hook;    // empty: none
    std::string policy;  // empty: none

    std::string place() const { return family + " " + table + " " + name; }
};

// Acts on the network namespace of its thread. One thread uses it.
class Netfilter {
public:
    Netfilter();
    ~Netfilter();

    // All of it or nothing, as one transaction. The error holds the first complaint, and what to do about it.
    Result<> apply(const std::string& commands);

    uint32_t transactions() const { return transactions_; }  // that we have made so; wraps around

    Result<std::vector<Chain>> chains();
    Result<std::string> show(const std::string& family_and_table);  // a table as `nft -t` prints it

private:
    Result<> open();
    Result<std::string> run(const std::string& commands, unsigned output_flags = 0);

    struct Free {
        void operator()(nft_ctx* context) const;
    };
    std::unique_ptr<nft_ctx, Free> context_;
    uint32_t transactions_ = 0;
};

}  // namespace hairpin::nft
