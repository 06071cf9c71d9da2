#include "discovery/srv_records.h"

#include <arpa/nameser.h>
#include <resolv.h>

#include <algorithm>
#include <array>

namespace hairpin::discovery {
namespace {

constexpr int target_offset = 6;  // priority, weight, port

}  // namespace

Result<SrvAnswer> parse_srv_answer(std::span<const uint8_t> message) {
    const Error malformed{"the answer is malformed"};
    ns_msg handle;
    if (ns_initparse(message.data(), static_cast<int>(message.size()), &handle) != 0) return malformed;
    SrvAnswer answer;
    std::chrono::seconds ttl = std::chrono::seconds::max();
    for (int i = 0; i < ns_msg_count(handle, ns_s_an); ++i) {
        ns_rr record;
        if (ns_parserr(&handle, ns_s_an, i, &record) != 0) return malformed;
        ttl = std::min(ttl, std::chrono::seconds(ns_rr_ttl(record)));
        if (ns_rr_type(record) != ns_t_srv) continue;
        const uint8_t* data = ns_rr_rdata(record);
        if (ns_rr_rdlen(record) <= target_offset) return malformed;
        std::array<char, NS_MAXDNAME> target;
        const int length = dn_expand(ns_msg_base(handle), ns_msg_end(handle), data + target_offset, target.data(),
                                     static_cast<int>(target.size()));
        if (length < 0) return malformed;
        if (target[0] == '\0') continue;  // the root: there decidedly is no server
        const auto number = [&](int at) { return static_cast<uint16_t>(ns_get16(data + at)); };
        answer.records.push_back({target.data(), number(4), number(0), number(2)});
    }
    if (ttl != std::chrono::seconds::max()) answer.ttl = ttl;
    return answer;
}

}  // namespace hairpin::discovery
