#include "daemon/backend_discovery.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/name_report.h"
#include "model/follow_names.h"

namespace hairpin {
namespace {

// What is not answered by then is served without its names; nothing else is to wait longer.
constexpr std::chrono::milliseconds until_first_answers{2000};

}  // namespace

Result<> BackendDiscovery::watch(const std::set<Question>& asked, const std::vector<Endpoint>& resolvers) {
    if (!resolver_ && !asked.empty()) {
        auto started = discovery::Resolver::start([this] {
            changed_ = true;
            on_change_();
        });
        if (!started) return started.error();
        resolver_ = *std::move(started);
    }
    if (resolver_) resolver_->watch(asked, resolvers);
    return {};
}

void BackendDiscovery::wait_for_first_answers() const {
    if (resolver_) resolver_->wait_until_asked(until_first_answers);
}

std::vector<Service> BackendDiscovery::follow(std::vector<Service> services) const {
    Answers answers;
    for (const auto& [question, known] : known()) answers[question] = known.servers;
    return follow_names(std::move(services), answers);
}

void BackendDiscovery::tell_changes(Events& events) {
    changed_ = false;
    auto now = known();
    for (const Event& event : name_events(told_, now)) events.tell(event);
    told_ = std::move(now);
}

std::optional<discovery::Known> BackendDiscovery::troubled(const BackendName& name) const {
    const auto all = known();
    const auto found = all.find(name.question());
    if (found == all.end() || (found->second.asked && found->second.trouble.empty())) return std::nullopt;
    discovery::Known known = found->second;
    if (!known.asked) known.trouble = "no DNS server has answered yet";
    return known;
}

std::vector<std::string> BackendDiscovery::troubles(const Service& service) const {
    std::vector<std::string> list;
    for (const BackendName& name : service.backend_names) {
        if (const auto known = troubled(name)) {
            list.push_back(fmt::format("service {}: {}", service.name, trouble_text(name.question(), *known)));
        }
    }
    return list;
}

void BackendDiscovery::add_unresolved(const std::vector<Service>& services, nlohmann::ordered_json& list) const {
    for (const Service& service : services) {
        for (const BackendName& name : service.backend_names) {
            const auto known = troubled(name);
            if (!known) continue;
            list.push_back({{"service", service.name},
                            {"backend", name.str()},
                            {"name", name.name},
                            {"state", "unresolved"},
                            {"serving", false},
                            {"backup", name.backup},
                            {"check", nullptr},
                            {"reason", known->trouble},
                            {"in_a_row", nullptr},
                            {"for_ms", nullptr},
                            {"active", 0}});
        }
    }
}

std::map<Question, discovery::Known> BackendDiscovery::known() const {
    return resolver_ ? resolver_->known() : std::map<Question, discovery::Known>();
}

}  // namespace hairpin
