#include "model/follow_names.h"

#include <algorithm>

namespace hairpin {
namespace {

// Of SRV records: to a 0 RFC 2782 grants a small chance, where ours would be none.
uint32_t weight_of(const Server& server, std::span<const Server> all) {
    uint32_t largest = 0;
    for (const Server& other : all) {
        if (other.priority == server.priority) largest = std::max<uint32_t>(largest, other.weight);
    }
    const uint32_t weight = largest > most_weight ? server.weight * most_weight / largest : server.weight;
    return std::max<uint32_t>(weight, 1);
}

Backend backend_of(const BackendName& name, const Server& server, std::span<const Server> all) {
    if (name.ports) return {{server.ip, *name.ports}, name.weight, name.backup};
    const uint16_t first = std::ranges::min(all, {}, &Server::priority).priority;
    return {{server.ip, {server.port, server.port}}, weight_of(server, all), name.backup || server.priority > first};
}

}  // namespace

std::vector<Service> follow_names(std::vector<Service> services, const Answers& answers) {
    for (Service& service : services) {
        service.backends.resize(service.backends.size() - service.resolved.size());
        service.resolved.clear();
        for (size_t i = 0; i < service.backend_names.size(); ++i) {
            const auto answer = answers.find(service.backend_names[i].question());
            if (answer == answers.end()) continue;
            for (const Server& server : answer->second) {
                if (service.backends.size() == most_backends) break;
                service.backends.push_back(backend_of(service.backend_names[i], server, answer->second));
                service.resolved.push_back(i);
            }
        }
    }
    return services;
}

std::vector<Service> write_out(std::vector<Service> services, const Answers& answers) {
    services = follow_names(std::move(services), answers);
    for (Service& service : services) {
        std::erase_if(service.backend_names,
                      [&](const BackendName& name) { return answers.contains(name.question()); });
        service.resolved.clear();
    }
    return services;
}

const BackendName* name_of(const Service& service, size_t backend) {
    const size_t written = service.backends.size() - service.resolved.size();
    return backend < written ? nullptr : &service.backend_names[service.resolved[backend - written]];
}

std::set<Question> questions(std::span<const Service> services) {
    std::set<Question> all;
    for (const Service& service : services) {
        for (const BackendName& name : service.backend_names) all.insert(name.question());
    }
    return all;
}

}  // namespace hairpin
