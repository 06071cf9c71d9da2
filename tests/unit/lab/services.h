// The services that the tests of the lab stand on.
#pragma once

#include "unit/model/values.h"

namespace hairpin {

// examples/hairpinning.yaml
inline std::vector<Service> default_example() {
    return {service("srv1", {"1.0.0.1:5432"}, {"10.0.0.2:54321"}),
            service("srv2", {"1.0.0.1:1234"}, {"10.0.0.3:12345"})};
}

}  // namespace hairpin
