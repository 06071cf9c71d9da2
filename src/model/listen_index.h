// Who listens where: finds overlaps among external endpoints that nobody has checked yet.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "model/service.h"
#include "model/validate.h"

namespace hairpin {

// Holds copies, so the services may go. Unlike Ruleset it puts up with overlaps; finding them is its work.
class ListenIndex {
public:
    struct Entry {
        Protocol protocol;
        EndpointRange endpoint;
        Place place;
        bool followed = false;  // it is the address of a link
    };

    explicit ListenIndex(std::span<const Service> services);

    // Some endpoint of this very address that shares a port with `range`, or null. O(log n).
    const Entry* find(Protocol protocol, const EndpointRange& range) const;

    // Endpoints that share an address and a port: the one written later, then the one it collides with. What is written
    // out comes before the address of a link. An unspecified
    // address collides with every address of its family. Sorted, each pair once. O(n log n).
    std::vector<std::pair<Place, Place>> overlaps() const;

private:
    bool same_address(size_t a, size_t b) const;

    std::vector<Entry> entries_;  // by protocol, address, first port
    std::vector<size_t>
        reach_;  // for each entry: which of those up to it, on the same address, ends at the highest port
};

// Listeners on one port of one link, likewise.
std::vector<std::pair<Place, Place>> overlaps_on_links(std::span<const Service> services);

}  // namespace hairpin
