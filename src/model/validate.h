// Everything wrong with a set of services, all at once, each with its place.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/service.h"
#include "model/topology.h"

namespace hairpin {

// Which value of which service a problem is about. Plain indices: only the configuration knows lines and columns.
struct Place {
    enum class Key {
        service,
        listen,
        listen_links,
        backends,
        backend_names,
        source,
        allow,
        deny,
        proxy_protocol,
        health
    };
    size_t service = 0;
    Key key = Key::service;
    size_t index = 0;  // into the list, where the key holds one

    auto operator<=>(const Place&) const = default;
};

struct Problem {
    Place place;
    std::string message;  // what is wrong and what to do
};

// Errors that hold wherever the services are used; with a topology also those that hold only there. Pure; empty: none.
std::vector<Problem> validate(std::span<const Service> services, const Topology* topology = nullptr);

}  // namespace hairpin
