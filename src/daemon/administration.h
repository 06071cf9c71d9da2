// What an operator has decided about single backends, beyond the configuration.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "model/service.h"

namespace hairpin {

// As HAProxy's `ready`, `drain` and `maint`.
enum class Duty : uint8_t {
    ready,     // as configured
    draining,  // takes no new flow; live connections go on, checks too
    disabled,  // takes no new flow; live connections end, and nobody checks it
};
template <>
inline constexpr auto names_of<Duty> = std::to_array<std::string_view>({"ready", "draining", "disabled"});

enum class Order : uint8_t { drain, undrain, disable, enable };
template <>
inline constexpr auto names_of<Order> = std::to_array<std::string_view>({"drain", "undrain", "disable", "enable"});

// One backend of one service, which it outlives.
struct ServiceBackend {
    std::string service;
    EndpointRange backend;

    std::string str() const;
    auto operator<=>(const ServiceBackend&) const = default;
};

// How an operator names backends: "10.0.0.2:80", "10.0.0.2:8000-8009" or, for all ports of a host, "10.0.0.2".
struct BackendPattern {
    Ip ip;
    std::optional<PortRange> ports;

    static Result<BackendPattern> parse(std::string_view text);
    std::string str() const;
    bool matches(const EndpointRange& backend) const { return backend.ip == ip && (!ports || *ports == backend.ports); }
};

// The configured backends that are meant; `service`: in this one only; empty: in all. There is at least one; the error
// says what there is near. Pure.
Result<std::vector<ServiceBackend>> meant(const std::vector<Service>& services, const BackendPattern& pattern,
                                          std::string_view service);

// A value, which order_file.h keeps.
class Administration {
public:
    Administration() = default;
    explicit Administration(std::map<ServiceBackend, Duty> duties) : duties_(std::move(duties)) {}

    // undrain ends what drain began, enable what disable did, and neither the other's.
    void carry_out(Order order, const ServiceBackend& name);
    Duty duty(const ServiceBackend& name) const;
    Duty duty(const Service& service, const Backend& backend) const;

    // Forgets backends that are configured no more. A service with names may have any: DNS may say so again.
    void keep(const std::vector<Service>& services);

    // The services, each with those backends alone that new flows may be led to, that may be checked.
    Service in_rotation(const Service& service) const;
    std::vector<Service> checked(std::vector<Service> services) const;
    bool concerns(const Service& service) const;  // it has a backend that is not ready
    bool empty() const { return duties_.empty(); }
    const std::map<ServiceBackend, Duty>& duties() const { return duties_; }  // of those that are not ready
    bool operator==(const Administration&) const = default;

private:
    std::map<ServiceBackend, Duty> duties_;
};

}  // namespace hairpin
