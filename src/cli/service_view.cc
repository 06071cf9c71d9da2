#include "cli/service_view.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/quantities.h"
#include "cli/table.h"

namespace hairpin {
namespace {

using nlohmann::json;

std::string number(const json& value) { return std::to_string(value.get<uint64_t>()); }

// "1.0.0.1:80 and 2 more"; of links without an address, their names
std::string endpoints_text(const json& service) {
    const json& listen = service.at(service.at("listen").empty() ? "links" : "listen");
    if (listen.empty()) return "-";
    const auto first = listen.at(0).get<std::string>();
    return listen.size() == 1 ? first : fmt::format("{} and {} more", first, listen.size() - 1);
}

Row cells_of(const json& service) {
    return {service.at("service").get<std::string>(),
            endpoints_text(service),
            service.at("protocol").get<std::string>(),
            service.at("balance").get<std::string>(),
            number(service.at("backends_up")) + "/" + number(service.at("backends")),
            number(service.at("active")),
            number(service.at("accepted")),
            number(service.at("refused")),
            bytes_text(service.at("bytes_to_backends")),
            bytes_text(service.at("bytes_to_clients"))};
}

}  // namespace

std::string service_table(const json& services) {
    std::vector<Row> rows = {{"service", "listens at", "protocol", "balance", "up", "active", "accepted", "refused",
                              "to backends", "to clients"}};
    for (const json& service : services) rows.push_back(cells_of(service));
    return table(rows, {4, 5, 6, 7, 8, 9});
}

}  // namespace hairpin
