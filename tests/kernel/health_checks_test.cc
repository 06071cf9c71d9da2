// What checks find out, asked of real sockets and processes.
#include <dirent.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>

#include "health/checker.h"
#include "kernel/namespace.h"
#include "kernel/sockets.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;
using health::Checker;
using health::Status;

using HealthChecks = InNamespace;

// Answers every connection, or every datagram, with the same bytes, once it has heard something; but nobody at
// `unheard`.
class Server {
public:
    Server(int type, std::string answer, const Ip& unheard = {})
        : answer_(std::move(answer)), unheard_(unheard), socket_(open(type)) {
        endpoint_ = local(socket_);
        thread_ = std::thread([this, type] { type == SOCK_STREAM ? serve_connections() : serve_datagrams(); });
    }
    ~Server() {
        stop_ = true;
        thread_.join();
    }
    Endpoint endpoint() const { return endpoint_; }
    std::string heard() {
        const std::lock_guard lock(mutex_);
        return heard_;
    }
    Ip asked_from() {
        const std::lock_guard lock(mutex_);
        return from_;
    }

private:
    static Fd open(int type) { return type == SOCK_STREAM ? listening("127.0.0.1:0") : bound(type, "127.0.0.1:0"); }
    static Ip peer_of(const Fd& client) {  // 0.0.0.0: it has gone
        SockAddr address;
        socklen_t size = SockAddr::capacity();
        (void)getpeername(client.get(), address.get(), &size);
        return address.endpoint().ip;
    }
    bool waits() const {
        pollfd readable{socket_.get(), POLLIN, 0};
        return poll(&readable, 1, 10) == 1;
    }
    void remember(const std::string& bytes, const Ip& from) {
        const std::lock_guard lock(mutex_);
        heard_ = bytes;
        from_ = from;
    }
    void serve_connections() {
        std::vector<Fd> unanswered;
        while (!stop_) {
            if (!waits()) continue;
            Fd client = accepted(socket_);
            const Ip from = peer_of(client);
            remember(receive(client), from);
            if (from == unheard_) {
                unanswered.push_back(std::move(client));
                continue;
            }
            send(client.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
        }
    }
    void serve_datagrams() {
        while (!stop_) {
            if (!waits()) continue;
            SockAddr client;
            socklen_t size = SockAddr::capacity();
            char bytes[256];
            const ssize_t got = recvfrom(socket_.get(), bytes, sizeof bytes, 0, client.get(), &size);
            const Ip from = client.endpoint().ip;
            remember(std::string(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0))), from);
            if (from == unheard_) continue;
            sendto(socket_.get(), answer_.data(), answer_.size(), 0, client.get(), client.size());
        }
    }

    const std::string answer_;
    const Ip unheard_;
    const Fd socket_;
    Endpoint endpoint_;
    std::atomic<bool> stop_ = false;
    std::mutex mutex_;
    std::string heard_;  // last
    Ip from_;            // likewise
    std::thread thread_;
};

Service service(const HealthCheck& check, const std::vector<Endpoint>& backends) {
    Service made;
    made.name = "srv";
    for (const Endpoint& backend : backends) made.backends.push_back({{backend.ip, {backend.port, backend.port}}});
    made.health = check;
    return made;
}

std::unique_ptr<Checker> make_checker(std::function<void()> on_change = [] {}) {
    auto checker = Checker::start(std::move(on_change), 1);
    EXPECT_TRUE(checker) << checker.error().message;
    return *std::move(checker);
}

HealthCheck quick(CheckKind kind) {
    HealthCheck check;
    check.kind = kind;
    check.interval = 200ms;
    check.timeout = 100ms;
    return check;
}

// For what a server of ours is to answer in time, however busy the machine is. Its first check comes as soon.
HealthCheck patient(CheckKind kind) {
    HealthCheck check = quick(kind);
    check.interval = check.timeout = 10s;
    return check;
}

// What the first check finds: "" or why it has not passed.
std::string found(const HealthCheck& check, const Endpoint& backend, const std::optional<CheckOrigin>& origin = {},
                  ProxyHeader header = ProxyHeader::none) {
    const auto checker = make_checker();
    Service checked = service(check, {backend});
    checked.send_proxy = header;
    checker->watch({&checked, 1}, [&](const Service&, const Backend&) { return origin; });
    std::optional<Status> status;
    EXPECT_TRUE(eventually([&] {
        status = checker->status(checked, checked.backends[0]);
        return status && status->standing.checked();
    }));
    EXPECT_EQ(status->standing.up(), status->reason.empty());
    return status->reason;
}

TEST_F(HealthChecks, TcpConnects) {
    alone([] {
        const Fd listener = listening("127.0.0.1:0");
        EXPECT_EQ(found(quick(CheckKind::tcp), local(listener)), "");
        EXPECT_EQ(found(quick(CheckKind::tcp), at("127.0.0.1:9")), "connection refused");
        EXPECT_EQ(found(quick(CheckKind::tcp), at("192.0.2.1:9")), "network is unreachable");
        HealthCheck elsewhere = quick(CheckKind::tcp);
        elsewhere.port = local(listener).port;
        EXPECT_EQ(found(elsewhere, at("127.0.0.1:9")), "");
    });
}

TEST_F(HealthChecks, TcpSaysAndHears) {
    alone([] {
        Server server(SOCK_STREAM, "+PONG\r\n");
        HealthCheck check = patient(CheckKind::tcp);
        check.send = "PING\r\n";
        check.expect = "PONG";
        EXPECT_EQ(found(check, server.endpoint()), "");
        EXPECT_EQ(server.heard(), "PING\r\n");
        check.expect = "PING";
        EXPECT_EQ(found(check, server.endpoint()), "the connection ended before the expected answer");
        const Fd silent = listening("127.0.0.1:0");
        check.timeout = 100ms;
        EXPECT_EQ(found(check, local(silent)), "no answer within 100 ms");
    });
}

TEST_F(HealthChecks, UdpIsAnswered) {
    alone([] {
        Server server(SOCK_DGRAM, "pong");
        HealthCheck check = patient(CheckKind::udp);
        EXPECT_EQ(found(check, server.endpoint()), "");
        EXPECT_EQ(server.heard(), "");
        check.send = "ping";
        check.expect = "pong";
        EXPECT_EQ(found(check, server.endpoint()), "");
        EXPECT_EQ(server.heard(), "ping");
        check.expect = "else";
        EXPECT_EQ(found(check, server.endpoint()), "the answer does not hold what is expected");
        EXPECT_EQ(found(check, at("127.0.0.1:9")), "connection refused");
        const Fd silent = bound(SOCK_DGRAM, "127.0.0.1:0");
        check.timeout = 100ms;
        EXPECT_EQ(found(check, local(silent)), "no answer within 100 ms");
    });
}

TEST_F(HealthChecks, HttpAnswersWithAnExpectedStatus) {
    alone([] {
        const auto answers = [](const std::string& answer, const HealthCheck& check = patient(CheckKind::http)) {
            Server server(SOCK_STREAM, answer);
            return found(check, server.endpoint());
        };
        EXPECT_EQ(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "");
        EXPECT_EQ(answers("HTTP/1.1 204 No Content\r\n\r\n"), "");
        EXPECT_EQ(answers("HTTP/1.0 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n"), "");
        EXPECT_EQ(answers("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "HTTP status 500");
        EXPECT_NE(answers("220 smtp.example.org\r\n"), "");
        EXPECT_NE(answers(""), "");
        HealthCheck only_200 = patient(CheckKind::http);
        only_200.status = {{200, 200}};
        EXPECT_EQ(answers("HTTP/1.1 204 No Content\r\n\r\n", only_200), "HTTP status 204");

        EXPECT_EQ(found(quick(CheckKind::http), at("127.0.0.1:9")), "connection refused");
        const Fd silent = listening("127.0.0.1:0");
        EXPECT_EQ(found(quick(CheckKind::http), local(silent)), "no answer within 100 ms");
        EXPECT_EQ(found(quick(CheckKind::https), local(silent)), "no answer within 100 ms");
    });
}

TEST_F(HealthChecks, HttpAsksForPathAndHost) {
    alone([] {
        Server server(SOCK_STREAM, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        HealthCheck check = patient(CheckKind::http);
        check.path = "/a/../health?deep=1";
        EXPECT_EQ(found(check, server.endpoint()), "");
        EXPECT_EQ(server.heard().find("GET /a/../health?deep=1 HTTP/1.1\r\nHost: " + server.endpoint().str() + "\r\n"),
                  0u)
            << server.heard();
        check.host = "www.example.org";
        EXPECT_EQ(found(check, server.endpoint()), "");
        EXPECT_NE(server.heard().find("\r\nHost: www.example.org\r\n"), std::string::npos) << server.heard();
    });
}

TEST_F(HealthChecks, BeginWithTheHeaderThatClientsConnectionsBeginWith) {
    alone([] {
        const std::string v2("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
        Server words(SOCK_STREAM, "+PONG\r\n");
        HealthCheck tcp = patient(CheckKind::tcp);
        tcp.send = "PING\r\n";
        tcp.expect = "PONG";
        EXPECT_EQ(found(tcp, words.endpoint(), {}, ProxyHeader::v1), "");
        EXPECT_EQ(words.heard(), "PROXY UNKNOWN\r\nPING\r\n");
        EXPECT_EQ(found(tcp, words.endpoint(), {}, ProxyHeader::v2), "");
        EXPECT_EQ(words.heard(), v2 + "PING\r\n");
        Server another(SOCK_STREAM, "+PONG\r\n");
        tcp.port = another.endpoint().port;
        EXPECT_EQ(found(tcp, words.endpoint(), {}, ProxyHeader::v2), "");
        EXPECT_EQ(another.heard(), "PING\r\n");

        Server datagrams(SOCK_DGRAM, "pong");
        EXPECT_EQ(found(patient(CheckKind::udp), datagrams.endpoint(), {}, ProxyHeader::v2), "");
        EXPECT_EQ(datagrams.heard(), v2);

        Server web(SOCK_STREAM, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        for (const ProxyHeader version : {ProxyHeader::v1, ProxyHeader::v2}) {
            EXPECT_EQ(found(patient(CheckKind::http), web.endpoint(), {}, version), "");
            EXPECT_EQ(web.heard().find("PROXY TCP4 127.0.0.1 127.0.0.1 "), 0u) << web.heard();
        }
    });
}

const CheckOrigin as_client{*Ip::parse("127.0.0.7"), "lo"};

TEST_F(HealthChecks, AskFromTheirOrigin) {
    alone([] {
        for (const auto& [kind, type] :
             {std::pair(CheckKind::tcp, SOCK_STREAM), std::pair(CheckKind::http, SOCK_STREAM),
              std::pair(CheckKind::udp, SOCK_DGRAM)}) {
            SCOPED_TRACE(name(kind));
            Server server(type, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            HealthCheck check = patient(kind);
            if (kind == CheckKind::tcp) check.send = check.expect = "HTTP";
            EXPECT_EQ(found(check, server.endpoint(), as_client), "");
            EXPECT_EQ(server.asked_from(), as_client.address);
        }
    });
}

TEST_F(HealthChecks, AnswersThatClientsDoNotGetAreToldFromNone) {
    alone([] {
        Server server(SOCK_DGRAM, "pong", as_client.address);
        HealthCheck check = patient(CheckKind::udp);  // asks twice, and is answered once
        check.timeout = 2s;
        EXPECT_EQ(found(check, server.endpoint(), as_client),
                  "it answers the gateway, but not clients: what it sends to 127.0.0.7 does not come back through this "
                  "gateway on link lo; its default route, or policy routing, is to lead here");
        const Fd silent = bound(SOCK_DGRAM, "127.0.0.1:0");
        EXPECT_EQ(found(quick(CheckKind::udp), local(silent), as_client), "no answer within 100 ms");
        EXPECT_EQ(found(quick(CheckKind::tcp), at("127.0.0.1:9"), as_client), "connection refused");
        EXPECT_EQ(found(quick(CheckKind::http), at("127.0.0.1:9"), as_client), "connection refused");
    });
}

// It has been met: that it says nothing is no fault of its routes.
TEST_F(HealthChecks, ASlowBackendIsNotBlamedForItsRoutes) {
    alone([] {
        Server slow(SOCK_STREAM, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", as_client.address);
        HealthCheck check = patient(CheckKind::tcp);
        check.send = check.expect = "HTTP";
        EXPECT_EQ(found(check, slow.endpoint()), "");
        check.timeout = 100ms;
        EXPECT_EQ(found(check, slow.endpoint(), as_client), "no answer within 100 ms");
        EXPECT_EQ(found(quick(CheckKind::http), slow.endpoint(), as_client), "no answer within 100 ms");
    });
}

TEST_F(HealthChecks, AnOriginThatIsNotToBeHadProvesNothing) {
    alone([] {
        Server http(SOCK_STREAM, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        Server udp(SOCK_DGRAM, "pong");
        for (const CheckOrigin& lost :
             {CheckOrigin{*Ip::parse("192.0.2.7"), ""}, CheckOrigin{*Ip::parse("127.0.0.7"), "gone"}}) {
            EXPECT_EQ(found(patient(CheckKind::tcp), http.endpoint(), lost), "");
            EXPECT_EQ(found(patient(CheckKind::http), http.endpoint(), lost), "");
            EXPECT_EQ(found(patient(CheckKind::udp), udp.endpoint(), lost), "");
            EXPECT_EQ(udp.asked_from(), *Ip::parse("127.0.0.1"));
            EXPECT_EQ(found(quick(CheckKind::tcp), at("127.0.0.1:9"), lost), "connection refused");
        }
    });
}

HealthCheck command(std::vector<std::string> arguments) {
    HealthCheck check = patient(CheckKind::command);
    check.command = std::move(arguments);
    return check;
}

TEST_F(HealthChecks, CommandsSayByTheirExitStatus) {
    alone([] {
        const Endpoint backend = at("127.0.0.1:80");
        EXPECT_EQ(found(command({"true"}), backend), "");
        EXPECT_EQ(found(command({"sh", "-c", "exit 3"}), backend), "exit status 3");
        EXPECT_EQ(found(command({"sh", "-c", "kill -TERM $$"}), backend), "killed by SIGTERM");
        EXPECT_EQ(found(command({"/nonsense"}), backend), "cannot run /nonsense: no such file or directory");
        EXPECT_EQ(found(command({"sh", "-c",
                                 "test \"$HAIRPIN_SERVICE $HAIRPIN_BACKEND $HAIRPIN_ADDRESS $HAIRPIN_PORT\" = "
                                 "'srv 127.0.0.1:80 127.0.0.1 80'"}),
                        backend),
                  "");
        EXPECT_EQ(found(command({"sh", "-c", "test \"$(ls /proc/self/fd | tr '\\n' ' ')\" = '0 1 2 3 '"}), backend), "")
            << "the program has descriptors of ours";
    });
}

TEST_F(HealthChecks, ACommandIsKilledWithAllThatItStarted) {
    alone([] {
        char pids[] = "/tmp/hairpin-pids-XXXXXX";
        const Fd file(mkstemp(pids));
        HealthCheck check = command({"sh", "-c", "sleep 1000 & echo $! >> $0; wait", pids});
        check.timeout = 300ms;
        std::vector<int> children;
        EXPECT_TRUE(eventually([&] {  // a busy machine may kill the shell before it has started anything
            EXPECT_EQ(found(check, at("127.0.0.1:80")), "no answer within 300 ms");
            std::ifstream list(pids);
            children.assign(std::istream_iterator<int>(list), std::istream_iterator<int>());
            return !children.empty();
        }));
        for (const int child : children) {
            EXPECT_TRUE(eventually([&] {  // killed, though init may not have taken note
                std::ifstream state("/proc/" + std::to_string(child) + "/stat");
                std::string word;
                return !state || (state >> word >> word >> word && word == "Z");
            }));
        }
        unlink(pids);
    });
}

TEST_F(HealthChecks, WhatIsKnownStaysWhereTheCheckDoes) {
    alone([] {
        const auto checker = make_checker();
        const Fd listener = listening("127.0.0.1:0");
        HealthCheck check = quick(CheckKind::tcp);
        Service checked = service(check, {at("127.0.0.1:9"), local(listener)});
        const auto status = [&](size_t i) { return checker->status(checked, checked.backends[i]); };
        checker->watch({&checked, 1});
        ASSERT_TRUE(eventually([&] { return status(0)->standing.in_a_row() >= 2 && status(1)->standing.checked(); }));
        EXPECT_FALSE(status(0)->standing.up());
        EXPECT_TRUE(status(1)->standing.up());
        EXPECT_EQ(checker->take_changes().size(), 1u);

        checked.connect_timeout = 1s;
        checked.backends.pop_back();
        checker->watch({&checked, 1});
        EXPECT_GE(status(0)->standing.in_a_row(), 2u);
        EXPECT_TRUE(eventually([&] { return status(0)->standing.in_a_row() >= 4; })) << "it is checked on";

        check.fall = 7;
        checked.health = check;
        EXPECT_FALSE(status(0)) << "another check";
        checker->watch({&checked, 1});
        EXPECT_TRUE(status(0)->standing.up());
        checker->watch({});
        EXPECT_FALSE(status(0));
    });
}

// The interval less up to a tenth of it, another part each time. In step they would come at equal distances, but for
// what the machine delays: so the middle half of the distances is looked at.
TEST_F(HealthChecks, DoNotComeInStep) {
    alone([] {
        const Fd listener = listening("127.0.0.1:0");
        HealthCheck check = quick(CheckKind::tcp);
        check.interval = 100ms;
        check.timeout = 50ms;
        const Service checked = service(check, {local(listener)});
        const auto checker = make_checker();
        checker->watch({&checked, 1});
        std::vector<std::chrono::steady_clock::duration> distances;
        ASSERT_TRUE(accepted(listener));
        for (auto last = std::chrono::steady_clock::now(); distances.size() < 20;) {
            ASSERT_TRUE(accepted(listener));
            const auto now = std::chrono::steady_clock::now();
            distances.push_back(now - std::exchange(last, now));
        }
        std::ranges::sort(distances);
        EXPECT_GT(distances[14] - distances[5], 1ms) << "they come at one pace";
    });
}

// Nobody asks: what clients have met makes a backend down, and its time makes it up.
TEST_F(HealthChecks, WhatClientsMeetLastsForItsTime) {
    alone([] {
        const auto checker = make_checker();
        HealthCheck check = quick(CheckKind::none);
        check.passive = PassiveCheck{.failures = 2, .hold = 2s};
        const Service told = service(check, {at("127.0.0.1:9")});
        const EndpointRange backend = told.backends[0].endpoint;
        checker->watch({&told, 1});
        const auto status = [&] { return *checker->status(told, told.backends[0]); };
        EXPECT_TRUE(status().standing.up());

        const auto began = std::chrono::steady_clock::now();
        checker->fail(told.name, backend, "nobody answers");
        checker->fail(told.name, backend, "nobody answers still");
        checker->fail("other", backend, "of another service");
        EXPECT_FALSE(status().standing.up());
        EXPECT_EQ(status().reason, "nobody answers");
        ASSERT_TRUE(eventually([&] { return status().standing.up(); }));
        EXPECT_GE(std::chrono::steady_clock::now() - began, 2s);
        EXPECT_FALSE(status().standing.checked());
        EXPECT_EQ(checker->take_changes().size(), 2u);

        const Service silent = service(quick(CheckKind::tcp), {at("127.0.0.1:9")});
        checker->watch({&silent, 1});
        checker->fail(silent.name, backend, "it does not ask for that");
        EXPECT_NE(checker->status(silent, silent.backends[0])->reason, "it does not ask for that");
    });
}

TEST_F(HealthChecks, TellOfEachChangeOnce) {
    alone([] {
        std::atomic<int> told = 0;
        const auto checker = make_checker([&] { ++told; });
        Fd listener = listening("127.0.0.1:0");
        const Endpoint backend = local(listener);
        const Service checked = service(quick(CheckKind::tcp), {backend});
        checker->watch({&checked, 1});
        ASSERT_TRUE(eventually([&] { return checker->status(checked, checked.backends[0])->standing.in_a_row() > 2; }));
        EXPECT_EQ(told, 0);
        listener.reset();
        ASSERT_TRUE(eventually([&] { return told == 1; }));
        auto changes = checker->take_changes();
        ASSERT_EQ(changes.size(), 1u);
        EXPECT_FALSE(changes[0].status.standing.up());
        EXPECT_EQ(changes[0].status.standing.in_a_row(), 3u);
        EXPECT_EQ(changes[0].status.reason, "connection refused");
        listener = listening(backend.str());
        ASSERT_TRUE(eventually([&] { return told == 2; }));
        changes = checker->take_changes();
        ASSERT_EQ(changes.size(), 1u);
        EXPECT_TRUE(changes[0].status.standing.up());
        EXPECT_EQ(changes[0].status.standing.in_a_row(), 2u);
    });
}

size_t open_descriptors() {
    DIR* folder = opendir("/proc/self/fd");
    size_t count = 0;
    while (readdir(folder)) ++count;
    closedir(folder);
    return count;
}

TEST_F(HealthChecks, LeaveNoDescriptorBehind) {
    alone([] {
        Server http(SOCK_STREAM, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        const Fd silent = listening("127.0.0.1:0");
        const size_t before = open_descriptors();
        size_t most = 0;
        {
            const auto checker = make_checker();
            std::vector<Service> services;
            for (const CheckKind kind : {CheckKind::tcp, CheckKind::http, CheckKind::https, CheckKind::udp}) {
                HealthCheck check = quick(kind);
                check.interval = 100ms;
                check.expect = kind == CheckKind::tcp ? "nothing" : "";
                services.push_back(service(check, {http.endpoint(), local(silent), at("127.0.0.1:9")}));
                services.back().name = name(kind);
            }
            services.push_back(service(command({"true"}), {at("127.0.0.1:80")}));
            checker->watch(services);
            const auto rounds = [&](uint32_t least) {
                return eventually([&] {
                    most = std::max(most, open_descriptors());
                    return std::ranges::all_of(services, [&](const Service& checked) {
                        return std::ranges::all_of(checked.backends, [&](const Backend& backend) {
                            const auto status = checker->status(checked, backend);
                            return checked.name == "srv" || status->standing.in_a_row() >= least;
                        });
                    });
                });
            };
            EXPECT_TRUE(rounds(10));
        }
        // The server may be about to close its end of the last one.
        EXPECT_TRUE(eventually([&] { return open_descriptors() == before; }))
            << open_descriptors() << ", not " << before;
        EXPECT_LT(most, before + 40);
    });
}

bool is_ready(const Fd& listener) {
    pollfd readable{listener.get(), POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
}

TEST_F(HealthChecks, AThousandAtOnceAreAllChecked) {
    alone([] {
        const Fd all = bound(SOCK_STREAM, "0.0.0.0:0");
        ASSERT_EQ(listen(all.get(), 4096), 0);
        std::vector<Endpoint> backends;
        for (uint32_t i = 1; i <= 1000; ++i) backends.push_back({Ip::v4(0x7f000000 + i), local(all).port});
        HealthCheck check;
        check.interval = check.timeout = 1s;
        const Service checked = service(check, backends);
        const auto checker = make_checker();
        checker->watch({&checked, 1});
        EXPECT_TRUE(eventually([&] {
            while (is_ready(all)) (void)accepted(all);  // a full queue takes no more
            return std::ranges::all_of(checked.backends, [&](const Backend& backend) {
                const auto status = checker->status(checked, backend);
                return status->standing.in_a_row() >= 2 && status->standing.up();
            });
        }));
        EXPECT_TRUE(checker->take_changes().empty());
    });
}

}  // namespace
}  // namespace hairpin
