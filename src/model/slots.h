// The backends of a service in the order in which its balance names them, for everybody and for those clients that are
// backends themselves.
#pragma once

#include <vector>

#include "model/service.h"

namespace hairpin {

// Indices into `backends`, those of the service that can be reached. Empty: none takes new flows. With maglev, the
// order in which backends are configured changes nothing but these indices.
Slots slots_of(Balance balance, const std::vector<const Backend*>& backends);
Slots slots_of(const Service& service);  // where all can be reached

// The same for new flows of this client: where it is itself one of the backends, `self` of the service says which it
// may get, and its flows are balanced among these. Empty: none takes its flows, be it that they are its own and denied.
Slots slots_of(const Service& service, const std::vector<const Backend*>& backends, const Ip& client);
Slots slots_of(const Service& service, const Ip& client);  // where all can be reached

// The clients that are backends, and what is theirs where that is not what everybody has. In the order of the
// addresses.
struct OwnSlots {
    Ip client;
    Slots slots;
};
std::vector<OwnSlots> own_slots(const Service& service, const std::vector<const Backend*>& backends);

bool takes_new_flows(const Service& service);  // some backend does, for whoever can reach it

}  // namespace hairpin
