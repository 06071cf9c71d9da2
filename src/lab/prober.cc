#include "lab/prober.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/socket.h"

namespace hairpin::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t stream_bytes = 8192;
constexpr size_t datagram_bytes = 512;

// Bytes that no other question of this process has.
std::string make_payload(size_t size) {
    static uint32_t state = 1;
    std::string payload = "question ";
    while (payload.size() < size) {
        state = state * 1664525 + 1013904223;
        payload += static_cast<char>(state >> 24);
    }
    return payload;
}

// One socket and the time until which it may be waited for.
class Client {
public:
    Client(Fd socket, std::chrono::milliseconds timeout)
        : socket_(std::move(socket)), deadline_(Clock::now() + timeout) {}

    int fd() const { return socket_.get(); }

    Result<> wait(short events, std::string_view what) const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
        pollfd ready{fd(), events, 0};
        if (left <= 0 || poll(&ready, 1, static_cast<int>(left)) == 0)
            return Error{"no " + std::string(what) + " in time"};
        return {};
    }

    Result<> connect_to(const Leg& asked) const {
        if (!bind_source(fd(), asked.source)) return system_error("bind to " + asked.source.ip.str());
        const SockAddr to(asked.destination);
        if (connect(fd(), to.get(), to.size()) == 0) return {};
        if (errno != EINPROGRESS) return system_error("connect");
        if (auto waited = wait(POLLOUT, "connection"); !waited) return waited;
        if (const int error = pending_error(fd()); error != 0) return system_error("connect", error);
        return {};
    }

    Result<> send_all(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t size = send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (size >= 0) {
                bytes.remove_prefix(static_cast<size_t>(size));
            } else if (errno != EAGAIN) {
                return system_error("send");
            } else if (auto waited = wait(POLLOUT, "room to send"); !waited) {
                return waited;
            }
        }
        return {};
    }

    // One datagram, or bytes of the stream; empty at its end.
    Result<std::string> receive() const {
        for (;;) {
            std::array<char, 65536> buffer;
            const ssize_t size = recv(fd(), buffer.data(), buffer.size(), 0);
            if (size >= 0) return std::string(buffer.data(), static_cast<size_t>(size));
            if (errno != EAGAIN) return system_error("receive");
            if (auto waited = wait(POLLIN, "answer"); !waited) return waited.error();
        }
    }

private:
    Fd socket_;
    Clock::time_point deadline_;
};

Result<std::string> exchange_stream(const Client& client, const std::string& header, const std::string& payload) {
    if (auto sent = client.send_all(header + payload); !sent) return sent.error();
    shutdown(client.fd(), SHUT_WR);
    std::string answer;
    for (;;) {
        auto more = client.receive();
        if (!more) return more.error().within("after " + std::to_string(answer.size()) + " bytes");
        if (more->empty()) return answer;
        answer += *more;
    }
}

}  // namespace

Result<Answer> ask(const Host& host, const Leg& asked, ProxyHeader header, std::chrono::milliseconds timeout) {
    Fd socket = host.run([&] { return open_socket(asked.protocol, asked.destination.ip.family()); });
    if (!socket) return system_error("socket");
    const Client client(std::move(socket), timeout);
    if (auto connected = client.connect_to(asked); !connected) return connected.error();

    const Endpoint local = local_endpoint(client.fd());
    // Another port than the true one shows whether the gateway believes the header.
    const Endpoint announced = {local.ip,
                                static_cast<uint16_t>(header == ProxyHeader::none ? local.port : local.port ^ 1)};
    const std::string head = header == ProxyHeader::none
                                 ? std::string()
                                 : write_proxy_header(header, asked.protocol, announced, asked.destination);
    const bool stream = asked.protocol == Protocol::tcp;
    const std::string payload = make_payload(stream ? stream_bytes : datagram_bytes);
    Result<std::string> answer = Error{};
    if (stream) {
        answer = exchange_stream(client, head, payload);
    } else if (auto sent = client.send_all(head + payload); !sent) {
        return sent.error();
    } else {
        answer = client.receive();
    }
    if (!answer) return answer.error();

    const size_t end = answer->find('\n');
    if (end == answer->npos)
        return Error{"an answer of " + std::to_string(answer->size()) + " bytes without a greeting"};
    auto greeting = Greeting::parse(std::string_view(*answer).substr(0, end));
    if (!greeting) return greeting.error();
    if (answer->substr(end + 1) != payload) return Error{"the payload came back changed"};
    return Answer{*std::move(greeting), local, announced};
}

std::string fault(const Probe& probe, const Expectation& expected, const Answer& answer) {
    const Endpoint& seen = answer.greeting.leg.source;
    const Endpoint& due = expected.leg.source;
    if (!due.ip.is_unspecified() && seen.ip != due.ip) return "the backend saw the wrong source address";
    if (expected.same_port && seen.port != answer.client.port) {
        return "the source port became " + std::to_string(seen.port) + ", it was " + std::to_string(answer.client.port);
    }
    const auto& header = answer.greeting.header;
    if (probe.send == ProxyHeader::none) return header ? "a PROXY header that nobody asked for" : "";
    if (!header) return "no PROXY header reached the backend";
    if (header->version != probe.send) return "a PROXY header of the wrong version";
    if (header->source != answer.announced) {
        return "the PROXY header names the client " + header->source.str() + ", it is " + answer.announced.str();
    }
    if (header->destination != probe.asked.destination) {
        return "the PROXY header names the endpoint " + header->destination.str();
    }
    return {};
}

}  // namespace hairpin::lab
