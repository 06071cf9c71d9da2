// Services that listen on links: `listen: eth0:5432` is served at whatever addresses eth0 bears, as they come and go
// with DHCP, PPP and router advertisements. What is written out as an address comes first where both mean the same.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "model/service.h"
#include "model/topology.h"
#include "model/validate.h"

namespace hairpin {

// What a link of that name stands for: its addresses, but for link-local ones, which mean nothing beyond it. Empty:
// there is no such link, it is down, or it has none yet. Sorted.
std::vector<Ip> addresses_of(const Topology& topology, std::string_view link);

// The same services, listening where their links are in this topology, and no more where they were in an earlier one.
// Pure.
std::vector<Service> follow_links(std::vector<Service> services, const Topology& topology);

// Likewise, but for addresses of links at which a service cannot be served, as another one has written them out.
std::vector<Service> services_at(std::vector<Service> services, const Topology& topology);

// Where that was written which is served at this place: for an address that a service follows, its link.
Place as_written(const Service& service, Place place);

// Whether this is wrong with the address of a link, which is left out, rather than with what is written.
bool is_about_link(std::span<const Service> services, const Problem& problem);

// The links that services listen on, each once, sorted.
std::vector<std::string> links_listened_on(std::span<const Service> services);

}  // namespace hairpin
