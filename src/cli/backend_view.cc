#include "cli/backend_view.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/quantities.h"
#include "cli/table.h"

namespace hairpin {
namespace {

using nlohmann::json;

std::string text(const json& value) { return value.is_null() ? "-" : value.get<std::string>(); }

// "10.0.0.2:80 (app.lan)"
std::string place_text(const json& backend) {
    const std::string place = text(backend.at("backend"));
    const json name = backend.value("name", json());
    return name.is_null() || backend.at("state") == "unresolved" ? place : place + " (" + text(name) + ")";
}

std::string serving_text(const json& backend) {
    const std::string serving = backend.at("serving") ? "yes" : "no";
    return backend.value("backup", false) ? serving + ", backup" : serving;
}

Row cells_of(const json& backend) {
    return {text(backend.at("service")),
            place_text(backend),
            text(backend.at("state")),
            age_text(backend.at("for_ms")),
            text(backend.at("check")),
            serving_text(backend),
            std::to_string(backend.at("active").get<uint64_t>()),
            text(backend.at("reason"))};
}

}  // namespace

std::string backend_table(const json& backends) {
    std::vector<Row> rows = {{"service", "backend", "state", "for", "check", "serving", "active", "last failure"}};
    for (const json& backend : backends) rows.push_back(cells_of(backend));
    return table(rows);
}

}  // namespace hairpin
