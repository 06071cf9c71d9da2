// Backends by name are whatever DNS last said that the names stand for. What is written out as an address comes first.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "model/service.h"

namespace hairpin {

// The same services, with the backends that their names stand for by these answers, and no more with those of earlier
// answers. The servers of an SRV record that are not of its lowest priority are backups, and its weights are made
// smaller where they are too large for us. Two names may give one backend twice, which validate() finds. Pure.
std::vector<Service> follow_names(std::vector<Service> services, const Answers& answers);

// The same services as if what these names stand for had been written out, and the names not. Pure.
std::vector<Service> write_out(std::vector<Service> services, const Answers& answers);

// The name that a backend comes from; null: it is written out.
const BackendName* name_of(const Service& service, size_t backend);

// All that is to be asked for these services.
std::set<Question> questions(std::span<const Service> services);

}  // namespace hairpin
