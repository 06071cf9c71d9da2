// Notices that somebody else takes our table away, or a part of it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>

struct nl_msg;
struct nl_sock;

namespace hairpin::nft {

// Acts on the network namespace of its thread. One thread uses it.
class TableWatch {
public:
    // To be called when the table is as it should be. Additions of others to it are let be.
    void remember();
    // Whether it still is, as far as that can be told. Costs one question to the kernel where nobody has changed
    // anything in the packet filter since, and two more otherwise, however much there is in it.
    bool is_whole();
    // How many transactions anybody has made in the packet filter; wraps around. Nothing: it cannot be told.
    std::optional<uint32_t> generation();

private:
    struct Found {
        uint64_t handle = 0;  // another one for each table that was ever made
        uint32_t parts = 0;   // chains, sets and objects
        uint32_t rules = 0;   // in one of the chains
    };
    using Names = std::initializer_list<std::pair<int, const char*>>;

    // Nothing: it cannot be told.
    template <class Answer>
    std::optional<Answer> ask(int type, Names names, int (*read)(nl_msg*, void*), Answer answer);
    std::optional<Found> find();  // handle 0: there is no table

    struct Close {
        void operator()(nl_sock* socket) const;
    };
    std::unique_ptr<nl_sock, Close> socket_;  // kept open for the reason that Conntrack has
    uint32_t checked_ = 0;
    Found known_;
};

}  // namespace hairpin::nft
