#include "daemon/advice.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "daemon/process.h"

namespace hairpin {

void advise(const Engine& engine, const Ruleset& ruleset) {
    const bool tcp = std::ranges::any_of(
        ruleset.services(), [](const Service& service) { return includes(service.protocols, Protocol::tcp); });
    if (tcp && engine.name() == "proxy" && !reuses_closed_ports()) {
        spdlog::info(
            "net.ipv4.tcp_tw_reuse is not 1: after a client closes, its port towards the backend rests for a "
            "minute, so above some 230 connections a second to one backend new ones become slow, then fail; "
            "`sysctl -w net.ipv4.tcp_tw_reuse=1` lifts that");
    }
}

}  // namespace hairpin
