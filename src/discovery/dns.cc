#include "discovery/dns.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <optional>

#include "net/sockaddr.h"

namespace hairpin::discovery {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A server is asked once more, and given twice the time.
constexpr int first_timeout_ms = 1500;
constexpr int tries = 2;

constexpr seconds hosts_file_ttl{10};

template <class Answer>
using Callback = std::function<void(const Answer&)>;

// c-ares calls back once for each question, and keeps a pointer until then.
template <class Answer>
Callback<Answer> take(void* callback) {
    const std::unique_ptr<Callback<Answer>> owned(static_cast<Callback<Answer>*>(callback));
    return std::move(*owned);
}

Addresses::Outcome outcome_of(int status) {
    if (status == ARES_SUCCESS) return Addresses::Outcome::found;
    const bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA;
    return none ? Addresses::Outcome::none : Addresses::Outcome::unheard;
}

std::string reason_of(int status) {
    switch (status) {
        case ARES_SUCCESS:
            return {};
        case ARES_ENOTFOUND:
            return "DNS knows no such name";
        case ARES_ENODATA:
            return "DNS knows the name, and no address of it";
        case ARES_ETIMEOUT:
            return "no DNS server answers";
        case ARES_ECONNREFUSED:
            return "no DNS server can be reached, or all fail to answer";
        case ARES_ESERVFAIL:
        case ARES_EREFUSED:
            return "the DNS servers fail to answer";
        default:
            return std::string("DNS: ") + ares_strerror(status);
    }
}

// Nothing: the file knows no such host. c-ares would look there by itself, and lose memory for each line but one.
std::optional<Addresses> from_hosts_file(ares_channel channel, const std::string& host, Family family) {
    hostent* entry = nullptr;
    const int of_family = family == Family::v4 ? AF_INET : AF_INET6;
    if (ares_gethostbyname_file(channel, host.c_str(), of_family, &entry) != ARES_SUCCESS) return std::nullopt;
    const std::unique_ptr<hostent, decltype(&ares_free_hostent)> owned(entry, ares_free_hostent);
    Addresses answer{Addresses::Outcome::found, {}, hosts_file_ttl, {}};
    for (char** address = entry->h_addr_list; *address; ++address) {
        std::array<char, INET6_ADDRSTRLEN> text;
        if (!inet_ntop(of_family, *address, text.data(), text.size())) continue;
        if (const auto ip = Ip::parse(text.data())) answer.ips.push_back(*ip);
    }
    return answer;
}

void on_addresses(void* callback, int status, int, ares_addrinfo* info) {
    const std::unique_ptr<ares_addrinfo, decltype(&ares_freeaddrinfo)> owned(info, ares_freeaddrinfo);
    const auto then = take<Addresses>(callback);
    if (status == ARES_EDESTRUCTION) return;
    Addresses answer{outcome_of(status), {}, seconds::max(), reason_of(status)};
    if (status == ARES_SUCCESS) {
        const auto heed = [&](int ttl) { answer.ttl = std::min(answer.ttl, seconds(std::max(ttl, 0))); };
        for (const auto* alias = info->cnames; alias; alias = alias->next) heed(alias->ttl);
        for (const auto* node = info->nodes; node; node = node->ai_next) {
            SockAddr address;
            std::memcpy(address.get(), node->ai_addr, std::min<size_t>(node->ai_addrlen, SockAddr::capacity()));
            answer.ips.push_back(address.endpoint().ip);
            heed(node->ai_ttl);
        }
    }
    then(answer);
}

void on_message(void* callback, int status, int, unsigned char* bytes, int length) {
    const auto then = take<Message>(callback);
    if (status == ARES_EDESTRUCTION) return;
    then({outcome_of(status), {bytes, static_cast<size_t>(std::max(length, 0))}, reason_of(status)});
}

void on_socket(void* sockets, ares_socket_t fd, int readable, int writable) {
    auto& wanted = *static_cast<std::map<int, short>*>(sockets);
    const auto events = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    if (events == 0) {
        wanted.erase(fd);
    } else {
        wanted[fd] = events;
    }
}

std::string list(std::span<const Endpoint> servers) {
    std::string text;
    for (const Endpoint& server : servers) text += (text.empty() ? "" : ",") + server.str();
    return text;
}

}  // namespace

Result<std::unique_ptr<Dns>> Dns::open(std::span<const Endpoint> servers) {
    static std::once_flag initialized;
    std::call_once(initialized, [] { ares_library_init(ARES_LIB_INIT_ALL); });
    std::unique_ptr<Dns> dns(new Dns);
    ares_options options{};
    options.timeout = first_timeout_ms;
    options.tries = tries;
    options.sock_state_cb = on_socket;
    options.sock_state_cb_data = &dns->sockets_;
    int status =
        ares_init_options(&dns->channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (status == ARES_SUCCESS && !servers.empty()) {
        status = ares_set_servers_ports_csv(dns->channel_, list(servers).c_str());
    }
    if (status != ARES_SUCCESS) return Error{std::string("starting the resolver: ") + ares_strerror(status)};
    return dns;
}

Dns::~Dns() {
    if (channel_) ares_destroy(channel_);
}

void Dns::ask_addresses(const std::string& host, Family family, Callback<Addresses> then) {
    if (const auto known = from_hosts_file(channel_, host, family)) return then(*known);
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;  // to sort them c-ares would try a route to each
    hints.ai_family = family == Family::v4 ? AF_INET : AF_INET6;
    hints.ai_socktype = SOCK_STREAM;
    auto owned = std::make_unique<Callback<Addresses>>(std::move(then));
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, on_addresses, owned.release());
}

void Dns::ask_servers(const std::string& name, Callback<Message> then) {
    auto owned = std::make_unique<Callback<Message>>(std::move(then));
    ares_search(channel_, name.c_str(), ns_c_in, ns_t_srv, on_message, owned.release());
}

void Dns::wait(int wake, Clock::time_point until) {
    std::vector<pollfd> polled = {{wake, POLLIN, 0}};
    for (const auto& [fd, events] : sockets_) polled.push_back({fd, events, 0});
    constexpr milliseconds longest{60'000};
    const auto left = until - Clock::now() < longest ? std::chrono::ceil<milliseconds>(until - Clock::now()) : longest;
    timeval most{};
    most.tv_sec = std::max<int64_t>(left.count(), 0) / 1000;
    most.tv_usec = std::max<int64_t>(left.count(), 0) % 1000 * 1000;
    timeval buffer{};
    const timeval* timeout = ares_timeout(channel_, &most, &buffer);
    poll(polled.data(), polled.size(), static_cast<int>(timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000));
    for (const pollfd& ready : std::span(polled).subspan(1)) {
        if (ready.revents == 0) continue;
        const bool readable = (ready.revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        const bool writable = (ready.revents & POLLOUT) != 0;
        ares_process_fd(channel_, readable ? ready.fd : ARES_SOCKET_BAD, writable ? ready.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has run out of time
}

}  // namespace hairpin::discovery
