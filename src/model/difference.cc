#include "model/difference.h"

#include <algorithm>
#include <map>
#include <ranges>
#include <string_view>

namespace hairpin {

Difference difference(const std::vector<Service>& before, const std::vector<Service>& after) {
    // What begins and ends alike is passed over.
    const auto [first_before, first_after] = std::ranges::mismatch(before, after);
    const auto [last_before, last_after] =
        std::ranges::mismatch(std::ranges::subrange(first_before, before.end()) | std::views::reverse,
                              std::ranges::subrange(first_after, after.end()) | std::views::reverse);
    std::map<std::string_view, const Service*> left;
    for (const Service& old : std::ranges::subrange(first_before, last_before.base())) left.emplace(old.name, &old);
    Difference found;
    for (const Service& service : std::ranges::subrange(first_after, last_after.base())) {
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
