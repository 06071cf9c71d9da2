#include "daemon/loopback_guard.h"

#include <strings.h>

#include <string_view>

#include "model/ip.h"

namespace hairpin {
namespace {

// "localhost:8053" -> "localhost", "[::1]:8053" -> "::1", as RFC 9110 7.2 has it.
std::string without_port(std::string_view host) {
    if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
    return std::string(host.substr(0, host.find(':')));
}

bool is_this_machine(const std::string& host) {
    const std::string name = without_port(host);
    if (strcasecmp(name.c_str(), "localhost") == 0) return true;
    const auto ip = Ip::parse(name);
    return ip && ip->is_loopback();
}

}  // namespace

std::optional<HttpResponse> refuse_over_tcp(const HttpRequest& request) {
    if (request.method != "GET" && request.method != "HEAD") {
        return error_response(403, "over TCP nothing can be changed: ask on the Unix socket");
    }
    if (request.path == "/v1/flows") {
        return error_response(403, "over TCP nobody is told who talks to whom: ask on the Unix socket");
    }
    if (!is_this_machine(request.host)) {
        return error_response(403, "ask for localhost or a loopback address: '" + request.host + "' is none");
    }
    return std::nullopt;
}

}  // namespace hairpin
