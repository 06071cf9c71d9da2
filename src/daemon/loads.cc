#include "daemon/loads.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace hairpin {

using std::chrono::system_clock;

bool Loads::holds(const std::vector<std::string>& reasons) {
    for (const std::string& reason : reasons) spdlog::error(reason);
    reasons_.insert(reasons_.end(), reasons.begin(), reasons.end());
    return reasons_.empty();
}

void Loads::accept(const std::string& origin) {
    origin_ = origin.empty() ? "the command line" : origin;
    loaded_at_ = system_clock::now();
    refused_.reset();
    reasons_.clear();
}

void Loads::refuse() {
    if (reasons_.empty()) reasons_.emplace_back("out of memory");  // which is noticed where nothing can be told
    refused_ = {system_clock::now(), std::exchange(reasons_, {})};
}

}  // namespace hairpin
