// All services, checked and indexed: what every engine is given. Immutable, so threads may share it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/service.h"

namespace hairpin {

class Ruleset {
public:
    // The external endpoint that a destination address belongs to.
    struct Match {
        const Service* service = nullptr;
        const EndpointRange* listen = nullptr;  // the range it fell into; its address may be unspecified
    };

    Ruleset() = default;
    // Precondition: validate() found no error in `services`.
    explicit Ruleset(std::vector<Service> services);
    // The index points into the services.
    Ruleset(const Ruleset&) = delete;
    Ruleset& operator=(const Ruleset&) = delete;
    Ruleset(Ruleset&&) = default;
    Ruleset& operator=(Ruleset&&) = default;

    const std::vector<Service>& services() const { return services_; }

    // Looks up an endpoint by exact address, then by the unspecified address of its family. Whether the address is the
    // gateway's own is for the caller to ask. O(log n).
    std::optional<Match> find(Protocol protocol, const Endpoint& destination) const;

    // True where some service listens on exactly this address.
    bool is_external_address(const Ip& ip) const;

private:
    struct Entry {
        Protocol protocol;
        const EndpointRange* listen;
        const Service* service;
    };
    std::optional<Match> find_exact(Protocol protocol, const Endpoint& destination) const;

    std::vector<Service> services_;
    std::vector<Entry> index_;  // by protocol, address, first port; ranges never overlap
};

// The port of `backend` that answers for `asked`, a port of the range `listen`: the same distance from the first one.
uint16_t backend_port(const EndpointRange& listen, uint16_t asked, const Backend& backend);

// Whether some backend of the service answers for that port at this very endpoint.
bool leads_to(const Service& service, const EndpointRange& listen, uint16_t asked, const Endpoint& backend);

}  // namespace hairpin
