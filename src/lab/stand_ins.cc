#include "lab/stand_ins.h"

#include <algorithm>
#include <array>
#include <set>

namespace hairpin::lab {
namespace {

constexpr uint16_t srv_port = 8080;
constexpr auto spare4 = std::to_array<std::string_view>({"10.0.1.0/24", "192.168.1.0/24", "172.16.1.0/24"});
constexpr auto spare6 = std::to_array<std::string_view>({"fd00:0:0:1::/64", "fd00:99::/64", "fd99::/64"});

class Maker {
public:
    explicit Maker(std::span<const Service> services) {
        for (const Service& service : services) {
            for (const EndpointRange& listen : service.listen) used_.insert(listen.ip);
        }
        for (const Service& service : services) {
            for (const Backend& backend : service.backends) {
                const Ip& ip = backend.endpoint.ip;
                if (used_.insert(ip).second && !ip.is_loopback()) neighbours_.push_back(ip);
            }
        }
    }

    Ip make(Family family) {
        const Prefix network = network_of(family);
        for (uint32_t number = 2;; ++number) {
            const Ip ip = nth(network, number);
            if (number % 256 != 0 && number % 256 != 255 && used_.insert(ip).second) return ip;
        }
    }

private:
    Prefix network_of(Family family) const {
        const auto neighbour = std::ranges::find(neighbours_, family, &Ip::family);
        if (neighbour != neighbours_.end()) return Prefix::of(*neighbour, family == Family::v4 ? 24 : 64);
        const std::span<const std::string_view> spare = family == Family::v4 ? std::span(spare4) : std::span(spare6);
        for (const std::string_view text : spare) {
            const Prefix network = *Prefix::parse(text);
            const auto inside = [&](const Ip& ip) { return network.contains(ip) && !made_.contains(ip); };
            if (std::ranges::none_of(used_, inside)) return network;
        }
        return *Prefix::parse(spare.back());
    }

    Ip nth(const Prefix& network, uint32_t number) {
        Ip ip;
        if (network.address.is_v4()) {
            ip = Ip::v4(network.address.v4_bits() + number);
        } else {
            std::array<uint8_t, 16> bytes{};
            std::ranges::copy(network.address.bytes(), bytes.begin());
            bytes[14] = static_cast<uint8_t>(number >> 8);
            bytes[15] = static_cast<uint8_t>(number);
            ip = Ip::from_network(bytes);
        }
        if (!used_.contains(ip)) made_.insert(ip);
        return ip;
    }

    std::set<Ip> used_;
    std::set<Ip> made_;
    std::vector<Ip> neighbours_;
};

}  // namespace

Answers stand_ins(std::span<const Service> services) {
    Maker maker(services);
    Answers answers;
    for (const Service& service : services) {
        const Family family = service.listen.empty() ? Family::v4 : service.listen.front().ip.family();
        for (const BackendName& name : service.backend_names) {
            auto& servers = answers[name.question()];
            if (!servers.empty()) continue;
            servers.push_back(
                {.host = name.name, .ip = maker.make(family), .port = name.ports ? uint16_t{0} : srv_port});
        }
    }
    return answers;
}

std::vector<std::string> notes_on(const Answers& stand_ins) {
    std::vector<std::string> notes;
    for (const auto& [question, servers] : stand_ins) {
        for (const Server& server : servers) {
            notes.push_back(server.ip.str() + " stands for " + question.name +
                            ": it is made up, for names are resolved by `hairpin run` alone");
        }
    }
    return notes;
}

}  // namespace hairpin::lab
