// What is reported of each service, found by the external endpoint that a flow asked.
#pragma once

#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "engines/engine.h"
#include "engines/limit_watch.h"
#include "model/stats.h"

namespace hairpin::nft {

const Service* service_asked(const Desired& desired, Protocol protocol, const Endpoint& endpoint);
// That, or the service that the endpoint last belonged to; `former` may be null.
const Service* service_asked(const Desired& desired, const Desired* former, Protocol protocol,
                             const Endpoint& endpoint);

// What is to be remembered of services that went, for connections may live on that they began: `gone`, and the latest
// few thousand of those that went earlier, but for endpoints that somebody else has had since, in `gone` or `now`.
// `earlier` may be null. `topology`: where the gateway stood.
Desired remember(std::vector<Service> gone, const Topology& topology, const Desired* earlier, const Ruleset& now);

// How many each limit of a service has kept out, as the table has counted.
Result<LimitWatch::Refused> refused_by_limits(const Desired& desired);

// Both configurations must last as long. One thread.
class StatsRows {
public:
    // `former` may be null: what was served before, and may still have live flows.
    StatsRows(const Desired& desired, const Desired* former);

    // The row of the service that an endpoint belongs to, or last belonged to; null where it is none of ours.
    ServiceStats* find(Protocol protocol, const Endpoint& asked);

    // Counts flows that came from an endpoint to a backend.
    void add_accepted(Protocol protocol, const Endpoint& asked, const Endpoint& backend, Path path, uint64_t flows);

    // Without those that went of which nothing lives. Once.
    Stats take();

private:
    ServiceStats& row_of(const Service& service);

    const Desired& desired_;
    const Desired* const former_;
    Stats stats_;  // first the services of `desired`, in their order
    std::unordered_map<std::string_view, size_t> row_numbers_;
    std::map<std::tuple<std::string_view, EndpointRange, Path>, uint64_t> came_;  // to backends of services
};

}  // namespace hairpin::nft
