#include "model/admission.h"

namespace hairpin {

std::optional<Denial> denial(const Service& service, const Ip& client) {
    if (admits(service, client)) return std::nullopt;
    if (const Prefix* prefix = service.deny.find(client)) return Denial{Denial::List::deny, *prefix};
    return Denial{Denial::List::allow, {}};
}

bool admits(const Service& service, const Ip& client) {
    return !service.deny.contains(client) && (service.allow.empty() || service.allow.contains(client));
}

}  // namespace hairpin
