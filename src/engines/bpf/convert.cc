#include "engines/bpf/convert.h"

#include <netinet/in.h>

#include <cstring>

namespace hairpin::bpf {

hp_address to_wire(const Ip& ip) {
    hp_address address{};
    std::memcpy(&address, ip.bytes().data(), sizeof address);
    return address;
}

Ip from_wire(const hp_address& address) {
    std::array<uint8_t, sizeof address> bytes{};
    std::memcpy(bytes.data(), &address, sizeof address);
    return Ip::from_network(std::span<const uint8_t, sizeof address>(bytes));
}

uint8_t to_wire(Protocol protocol) { return protocol == Protocol::tcp ? IPPROTO_TCP : IPPROTO_UDP; }

hp_asked asked_endpoint(Protocol protocol, const Endpoint& endpoint) {
    return {to_wire(endpoint.ip), htons(endpoint.port), to_wire(protocol), 0};
}

Leg from_wire(const hp_tuple& tuple) {
    return {tuple.protocol == IPPROTO_TCP ? Protocol::tcp : Protocol::udp,
            {from_wire(tuple.source), ntohs(tuple.source_port)},
            {from_wire(tuple.destination), ntohs(tuple.destination_port)}};
}

hp_tuple translated(const hp_half& half) {
    return {.source = half.translated.source,
            .destination = half.translated.destination,
            .source_port = half.translated.source_port,
            .destination_port = half.translated.destination_port,
            .protocol = half.protocol,
            .zero = {}};
}

hp_tuple reversed(const hp_tuple& tuple) {
    return {.source = tuple.destination,
            .destination = tuple.source,
            .source_port = tuple.destination_port,
            .destination_port = tuple.source_port,
            .protocol = tuple.protocol,
            .zero = {}};
}

}  // namespace hairpin::bpf
