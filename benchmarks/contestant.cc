#include "contestant.h"

#include <fmt/format.h>

namespace hairpin::bench {
namespace {

// As someone would write them: the client's address stays, except where the answer would miss the gateway. Without
// the redirects being off, the gateway would tell peers a shorter way, to where nobody knows the external address.
std::string nft_rules() {
    std::string rules = "table ip nat {\n chain in {\n  type nat hook prerouting priority -100\n";
    for (const auto& [asked, backend] : {std::pair{asked_requests, backend_requests}, {asked_bulk, backend_bulk}}) {
        rules += fmt::format("  ip daddr {} meta l4proto {{ tcp, udp }} th dport {} dnat to {}\n", asked.ip.str(),
                             asked.port, backend.str());
    }
    return rules + fmt::format(
                       " }}\n chain out {{\n  type nat hook postrouting priority 100\n"
                       "  ip saddr 10.0.0.0/16 ct status dnat snat to {}\n }}\n}}\n",
                       asked_requests.ip.str());
}

// Debian's /etc/haproxy/haproxy.cfg where it has a bearing on speed.
std::string haproxy_configuration(bool large_buffers) {
    std::string text = "global\n";
    if (large_buffers) text += "  tune.bufsize 65536\n";
    text += "defaults\n  mode tcp\n  timeout connect 5000\n  timeout client 50000\n  timeout server 50000\n";
    for (const auto& [asked, backend] : {std::pair{asked_requests, backend_requests}, {asked_bulk, backend_bulk}}) {
        text += fmt::format("listen port{}\n  bind {}\n  server backend {}\n", asked.port, asked.str(), backend.str());
    }
    return text;
}

// Debian's /etc/nginx/nginx.conf, but for the number of connections: its 768 are too few for the measure of idle ones.
std::string nginx_configuration(bool large_buffers) {
    std::string text =
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n"
        "daemon off;\nuser root;\nworker_processes auto;\npid nginx.pid;\nerror_log nginx.log crit;\n"
        "events { worker_connections 16384; }\nstream {\n";
    if (large_buffers) text += " proxy_buffer_size 64k;\n";
    for (const auto& [asked, backend] : {std::pair{asked_requests, backend_requests}, {asked_bulk, backend_bulk}}) {
        text += fmt::format(" server {{ listen {}; proxy_pass {}; }}\n", asked.str(), backend.str());
        text += fmt::format(" server {{ listen {} udp reuseport; proxy_pass {}; }}\n", asked.str(), backend.str());
    }
    return text + "}\n";
}

// Its processes end with it however it ends: the master alone would leave its workers behind.
std::vector<std::string> with_children(std::vector<std::string> command) {
    command.insert(command.begin(), {"unshare", "--pid", "--fork", "--kill-child"});
    return command;
}

}  // namespace

Setup setup_of(Contestant contestant, const std::string& folder, const std::string& program,
               const std::string& services) {
    switch (contestant) {
        case Contestant::direct:
        case Contestant::routed:
            return {};
        case Contestant::nftables:
            return {nft_rules(), {"nft", "-f", "FILE"}, false};
        case Contestant::haproxy:
        case Contestant::haproxy_64k:
            return {haproxy_configuration(has_large_buffers(contestant)), {"haproxy", "-db", "-f", "FILE"}, true};
        case Contestant::nginx:
        case Contestant::nginx_64k:
            return {nginx_configuration(has_large_buffers(contestant)),
                    with_children({"nginx", "-p", folder, "-c", "FILE"}), true};
        case Contestant::hairpin_nft:
            return {services, {program, "run", "-c", "FILE", "--engine", "nft"}, true};
        case Contestant::hairpin_tc:
            return {services, {program, "run", "-c", "FILE", "--engine", "tc"}, true};
        case Contestant::hairpin_xdp:
            return {services, {program, "run", "-c", "FILE", "--engine", "xdp"}, true};
        case Contestant::hairpin_proxy:
            return {services, {program, "run", "-c", "FILE", "--engine", "proxy"}, true};
    }
    return {};
}

}  // namespace hairpin::bench
