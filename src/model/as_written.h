// Services get endpoints from links (listen_links.h) and backends from names (follow_names.h). Where these were
// written, and how to do without those that are wrong just here and now.
#pragma once

#include <span>
#include <vector>

#include "model/service.h"
#include "model/validate.h"

namespace hairpin {

// Where that was written which is served at this place: for an address that a service follows, its link; for a backend
// that a name stands for, the name.
Place as_written(const Service& service, Place place);

// Whether this is wrong with what a link or a name stands for just here and now, and not with what is written.
bool is_passing(std::span<const Service> services, const Problem& problem);

// Leaves out the endpoints of links and the backends of names among these places; what else is wrong stays.
std::vector<Service> without(std::vector<Service> services, std::span<const Problem> problems);

}  // namespace hairpin
