#include "model/difference.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <string_view>

namespace hairpin {

Difference difference(const std::vector<Service>& before, const std::vector<Service>& after) {
    // What begins and ends alike is passed over.
    const auto [first_before, first_after] = std::mismatch(before.begin(), before.end(), after.begin(), after.end());
    const auto [last_before, last_after] = std::mismatch(before.rbegin(), std::make_reverse_iterator(first_before),
                                                         after.rbegin(), std::make_reverse_iterator(first_after));
    std::map<std::string_view, const Service*> left;
    for (const Service& old : std::span(first_before, last_before.base())) left.emplace(old.name, &old);
    Difference found;
    for (const Service& service : std::span(first_after, last_after.base())) {
        const auto old = left.find(service.name);
        if (old != left.end() && *old->second == service) {
            left.erase(old);
        } else {
            found.added.push_back(&service);
        }
    }
    for (const auto& [name, service] : left) found.gone.push_back(service);
    return found;
}

}  // namespace hairpin
