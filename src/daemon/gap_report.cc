#include "daemon/gap_report.h"

#include <algorithm>

namespace hairpin {

Diagnostic locate(const Config& config, std::string_view engine, const Gap& gap) {
    const auto service = std::ranges::find(config.services, gap.service, &Service::name);
    const auto index = static_cast<size_t>(service - config.services.begin());
    return config.at({index}, "engine " + std::string(engine) + ": " + gap.message);
}

}  // namespace hairpin
