#include "discovery/known.h"

#include <algorithm>

namespace hairpin::discovery {
namespace {

using std::chrono::seconds;

constexpr seconds least{1};
constexpr seconds most{3600};
constexpr seconds most_after_failure{5};

}  // namespace

Known after(const Known& before, Reply reply) {
    Known now{.servers = reply.heard ? std::move(reply.servers) : std::vector<Server>{},
              .trouble = {},
              .asked = true,
              .failures = 0};
    bool kept = false;
    for (const Server& server : before.servers) {
        if (!reply.heard || !reply.unheard.contains({server.host, server.ip.family()})) continue;
        now.servers.push_back(server);
        kept = true;
    }
    if (kept || now.servers.empty()) {
        now.trouble = reply.reason.empty() ? "DNS knows no address of it" : reply.reason;
        now.failures = before.failures + 1;
    }
    if (now.servers.empty()) now.servers = before.servers;
    std::ranges::sort(now.servers);
    now.servers.erase(std::unique(now.servers.begin(), now.servers.end()), now.servers.end());
    return now;
}

seconds until_next(const Known& known, seconds ttl) {
    if (known.failures == 0) return std::clamp(ttl, least, most);
    return std::min(least * (1 << std::min(known.failures - 1, 3)), most_after_failure);
}

}  // namespace hairpin::discovery
