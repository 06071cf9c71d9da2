// External addresses that this machine does not have: an engine in the kernel serves them all the same where they are
// routed here, but a slip of the pen looks alike.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engines/engine.h"

namespace hairpin {

// Where it needs an address to listen on, or likely is to have it: those of `also` are elsewhere by intent, so an
// address counts for nothing where its service has the same ports at one that is here, or on a link.
bool is_absent(const Service& service, const EndpointRange& listen, const Topology& topology, Abilities abilities);

// "no link has the external addresses A, B and 7 more". Not empty.
std::string absent_text(std::vector<Ip> absent);

// For an engine that serves them all the same: a sentence about each, but no more than a few.
std::vector<std::string> absent_remarks(std::span<const Service> services, const Topology& topology,
                                        Abilities abilities);

}  // namespace hairpin
