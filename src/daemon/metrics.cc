#include "daemon/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace hairpin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily gauge(std::string name, std::string help) {
    return {std::move(name), std::move(help), MetricType::Gauge, {}};
}

MetricFamily counter(std::string name, std::string help) {
    return {std::move(name), std::move(help), MetricType::Counter, {}};
}

void add(MetricFamily& family, Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
    family.metric.push_back(std::move(metric));
}

// One sample for each enumerator: {label="external"}, ...
template <class E, size_t N>
void add_each(MetricFamily& family, const std::string& service, const char* label,
              const std::array<uint64_t, N>& counts) {
    static_assert(names_of<E>.size() == N);
    for (size_t i = 0; i < N; ++i) {
        add(family, {{"service", service}, {label, std::string(names_of<E>[i])}}, static_cast<double>(counts[i]));
    }
}

void add_gateway(const Gateway& gateway, std::vector<MetricFamily>& all) {
    using std::chrono::duration;
    auto build = gauge("hairpin_build_info", "Always 1: which hairpin this is, and with which engine.");
    add(build, {{"version", HAIRPIN_VERSION}, {"engine", std::string(gateway.engine.name())}}, 1);
    auto uptime = gauge("hairpin_uptime_seconds", "How long the daemon has run.");
    add(uptime, {}, duration<double>(std::chrono::steady_clock::now() - gateway.started).count());
    auto reload = gauge("hairpin_config_last_reload_successful", "0: the last configuration was refused.");
    add(reload, {}, gateway.loads.refused() ? 0 : 1);
    auto loaded = gauge("hairpin_config_last_reload_success_timestamp_seconds",
                        "When the configuration that is served was loaded.");
    add(loaded, {}, duration<double>(gateway.loads.loaded_at().time_since_epoch()).count());
    all.insert(all.end(), {build, uptime, reload, loaded});
}

void add_services(const Stats& stats, std::vector<MetricFamily>& all) {
    auto active = gauge("hairpin_flows_active", "Connections and sessions alive now.");
    auto accepted = counter("hairpin_flows_accepted_total", "Connections and sessions that reached a backend.");
    auto refused = counter("hairpin_flows_refused_total", "Connections, sessions and datagrams that were not served.");
    auto bytes = counter("hairpin_forwarded_bytes_total",
                         "Payload; of engines in the kernel, which see packets: those, headers included.");
    for (const ServiceStats& service : stats.services) {
        add(active, {{"service", service.service}}, static_cast<double>(service.active));
        add_each<Path>(accepted, service.service, "path", service.accepted);
        add_each<Refusal>(refused, service.service, "reason", service.refused);
        add(bytes, {{"service", service.service}, {"direction", "to_backends"}},
            static_cast<double>(service.bytes_to_backends));
        add(bytes, {{"service", service.service}, {"direction", "to_clients"}},
            static_cast<double>(service.bytes_to_clients));
    }
    all.insert(all.end(), {active, accepted, refused, bytes});
}

ClientMetric histogram_of(Labels labels, const Durations& durations) {
    using std::chrono::duration;
    ClientMetric metric;
    metric.label = std::move(labels);
    for (size_t i = 0; i < durations.buckets.size(); ++i) {
        metric.histogram.sample_count += durations.buckets[i];
        const double bound = i < duration_bounds.size() ? duration<double>(duration_bounds[i]).count()
                                                        : std::numeric_limits<double>::infinity();
        metric.histogram.bucket.push_back({metric.histogram.sample_count, bound});
    }
    metric.histogram.sample_sum = duration<double>(durations.sum).count();
    return metric;
}

// What came to each backend.
void add_what_came(const Stats& stats, std::vector<MetricFamily>& all) {
    auto accepted = counter(
        "hairpin_backend_flows_accepted_total",
        "Connections and sessions that reached the backend; anew after it was out of service, except with nft.");
    MetricFamily took{"hairpin_backend_connect_duration_seconds",
                      "How long the backend took to accept a connection of the gateway's, over TCP.",
                      MetricType::Histogram,
                      {}};
    for (const ServiceStats& service : stats.services) {
        for (const BackendStats& backend : service.backends) {
            const Labels labels = {{"service", service.service},
                                   {"backend", backend.backend.str()},
                                   {"path", std::string(name(backend.path))}};
            add(accepted, labels, static_cast<double>(backend.accepted));
            ClientMetric metric = histogram_of(labels, backend.connecting);
            if (metric.histogram.sample_count > 0) took.metric.push_back(std::move(metric));
        }
    }
    if (accepted.metric.empty()) return;
    all.push_back(accepted);
    if (!took.metric.empty()) all.push_back(took);
}

void add_backends(const Gateway& gateway, std::vector<MetricFamily>& all) {
    auto up = gauge("hairpin_backend_up", "0: the backend fails its checks. One that nobody checks is up.");
    auto serving = gauge("hairpin_backend_serving", "Whether new flows are led to the backend.");
    auto took = gauge("hairpin_backend_check_duration_seconds",
                      "How long the backend's last health check took, passed or not.");
    const std::vector<Service>& serving_services = gateway.serving.ruleset.services();
    for (size_t i = 0; i < gateway.services().size(); ++i) {
        const Service& service = gateway.services()[i];
        for (const Backend& backend : service.backends) {
            const Labels labels = {{"service", service.name}, {"backend", backend.endpoint.str()}};
            if (const auto last = gateway.health.check_took(service, backend)) {
                add(took, labels, std::chrono::duration<double>(*last).count());
            }
            add(up, labels, gateway.health.is_up(service, backend) ? 1 : 0);
            add(serving, labels, std::ranges::count(serving_services[i].backends, backend) > 0 ? 1 : 0);
        }
    }
    all.insert(all.end(), {up, serving});
    if (!took.metric.empty()) all.push_back(took);
}

}  // namespace

Result<std::string> metrics_text(Gateway& gateway) {
    const Result<Stats> stats = gateway.stats();
    if (!stats) return stats.error();
    std::vector<MetricFamily> all;
    add_gateway(gateway, all);
    add_services(*stats, all);
    add_what_came(*stats, all);
    add_backends(gateway, all);
    return prometheus::TextSerializer().Serialize(all);
}

}  // namespace hairpin
