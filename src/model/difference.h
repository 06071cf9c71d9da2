// What a new configuration changes.
#pragma once

#include <vector>

#include "model/service.h"

namespace hairpin {

// Points into the two lists of services that were compared.
struct Difference {
    std::vector<const Service*> gone;   // by name; one that changed is in both
    std::vector<const Service*> added;  // in their order
};

// The services in which two lists differ. A service that only stands elsewhere makes no difference. Precondition: no
// name occurs twice in a list. O(n log n), and O(n) where they differ in one place.
Difference difference(const std::vector<Service>& before, const std::vector<Service>& after);

}  // namespace hairpin
