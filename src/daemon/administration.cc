#include "daemon/administration.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "config/values.h"

namespace hairpin {
namespace {

constexpr size_t most_told = 8;

Error no_such_service(const std::vector<Service>& services, std::string_view name) {
    std::vector<std::string_view> names;
    names.reserve(services.size());
    for (const Service& service : services) names.push_back(service.name);
    const auto near = nearest(name, names);
    const std::string advice = near ? fmt::format("did you mean {}?", *near) : "`hairpin services` lists them";
    return {fmt::format("there is no service {}: {}", in_quotes(name), advice)};
}

// Those of the same host, or else of the same port, or else whichever there are.
Error no_such_backend(const std::vector<ServiceBackend>& all, const BackendPattern& pattern) {
    std::set<std::string> near;
    const auto add = [&](auto is_near) {
        if (!near.empty()) return;
        for (const ServiceBackend& name : all) {
            if (near.size() < most_told && is_near(name.backend)) near.insert(name.backend.str());
        }
    };
    add([&](const EndpointRange& backend) { return backend.ip == pattern.ip; });
    add([&](const EndpointRange& backend) { return pattern.ports && backend.ports.overlaps(*pattern.ports); });
    add([](const EndpointRange&) { return true; });
    return {fmt::format("there is no backend {}: near it are {}", pattern.str(), fmt::join(near, ", "))};
}

}  // namespace

std::string ServiceBackend::str() const { return fmt::format("service {}: backend {}", service, backend.str()); }

Result<BackendPattern> BackendPattern::parse(std::string_view text) {
    if (const auto ip = Ip::parse(text)) return BackendPattern{*ip, std::nullopt};
    const auto endpoint = EndpointRange::parse(text);
    if (!endpoint) return Error{in_quotes(text) + " is neither an address nor ADDRESS:PORT"};
    return BackendPattern{endpoint->ip, endpoint->ports};
}

std::string BackendPattern::str() const { return ports ? EndpointRange{ip, *ports}.str() : ip.str(); }

Result<std::vector<ServiceBackend>> meant(const std::vector<Service>& services, const BackendPattern& pattern,
                                          std::string_view service) {
    if (!service.empty() && std::ranges::count(services, service, &Service::name) == 0) {
        return no_such_service(services, service);
    }
    std::vector<ServiceBackend> all;
    for (const Service& one : services) {
        if (!service.empty() && one.name != service) continue;
        for (const Backend& candidate : one.backends) all.push_back({one.name, candidate.endpoint});
    }
    std::vector<ServiceBackend> found;
    std::ranges::copy_if(all, std::back_inserter(found),
                         [&](const ServiceBackend& name) { return pattern.matches(name.backend); });
    if (found.empty()) return no_such_backend(all, pattern);
    return found;
}

void Administration::carry_out(Order order, const ServiceBackend& name) {
    const auto end = [&](Duty duty) {
        const auto known = duties_.find(name);
        if (known != duties_.end() && known->second == duty) duties_.erase(known);
    };
    switch (order) {
        case Order::drain:
            duties_[name] = Duty::draining;
            return;
        case Order::undrain:
            return end(Duty::draining);
        case Order::disable:
            duties_[name] = Duty::disabled;
            return;
        case Order::enable:
            return end(Duty::disabled);
    }
}

Duty Administration::duty(const Service& service, const Backend& backend) const {
    return duties_.empty() ? Duty::ready : duty({service.name, backend.endpoint});
}

Duty Administration::duty(const ServiceBackend& name) const {
    const auto known = duties_.find(name);
    return known != duties_.end() ? known->second : Duty::ready;
}

void Administration::keep(const std::vector<Service>& services) {
    if (duties_.empty()) return;
    std::map<std::string_view, const Service*> configured;
    for (const Service& service : services) configured.emplace(service.name, &service);
    std::erase_if(duties_, [&](const auto& entry) {
        const auto service = configured.find(entry.first.service);
        if (service == configured.end()) return true;
        const auto& [name, known] = *service;
        return known->backend_names.empty() &&
               std::ranges::count(known->backends, entry.first.backend, &Backend::endpoint) == 0;
    });
}

Service Administration::in_rotation(const Service& service) const {
    Service left = service;
    std::erase_if(left.backends, [&](const Backend& backend) { return duty(service, backend) != Duty::ready; });
    return left;
}

std::vector<Service> Administration::checked(std::vector<Service> services) const {
    if (duties_.empty()) return services;
    for (Service& service : services) {
        std::erase_if(service.backends,
                      [&](const Backend& backend) { return duty(service, backend) == Duty::disabled; });
    }
    return services;
}

bool Administration::concerns(const Service& service) const {
    return !duties_.empty() && std::ranges::any_of(service.backends, [&](const Backend& backend) {
        return duty(service, backend) != Duty::ready;
    });
}

}  // namespace hairpin
