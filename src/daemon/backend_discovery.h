// Backends by name: asked for, followed, told.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/events.h"
#include "discovery/resolver.h"
#include "model/service.h"

namespace hairpin {

// One thread, the daemon's. Where no service has a backend by name, no thread is started.
class BackendDiscovery {
public:
    // `on_change` is called on another thread when changed() has become true; it must not wait.
    explicit BackendDiscovery(std::function<void()> on_change) : on_change_(std::move(on_change)) {}

    // Asks for these names from now on, and for no others; what is known of names that stay is kept. `resolvers`: whom
    // it asks; empty: the machine's own.
    Result<> watch(const std::set<Question>& asked, const std::vector<Endpoint>& resolvers);
    // Until each name has been asked for once, but not for long.
    void wait_for_first_answers() const;

    // The same services, with the backends that names stand for by now.
    std::vector<Service> follow(std::vector<Service> services) const;

    bool changed() const { return changed_; }
    // Tells what names stand for where that has changed since the last call, and which cannot be resolved, or can
    // again.
    void tell_changes(Events& events);

    // What ails a service, in words: each of its names that has no good answer now.
    std::vector<std::string> troubles(const Service& service) const;
    // A row for each of these names, as the list of BackendHealth::to_json() has them, with the state `unresolved`.
    void add_unresolved(const std::vector<Service>& services, nlohmann::ordered_json& list) const;

private:
    // What is known of it, and what is wrong; nothing: it has a good answer.
    std::optional<discovery::Known> troubled(const BackendName& name) const;
    std::map<Question, discovery::Known> known() const;

    const std::function<void()> on_change_;
    std::atomic<bool> changed_ = false;
    std::map<Question, discovery::Known> told_;
    std::unique_ptr<discovery::Resolver> resolver_;  // last: its thread uses what stands above
};

}  // namespace hairpin
