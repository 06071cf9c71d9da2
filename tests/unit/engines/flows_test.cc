// What becomes of an engine whose flows somebody cannot take.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <new>

#include "engines/proxy/proxy_engine.h"
#include "net/socket.h"

namespace hairpin {
namespace {

Fd listen_anywhere() {
    Fd socket = open_socket(Protocol::tcp, Family::v4);
    const SockAddr address(*Endpoint::parse("127.0.0.1:1"));
    SockAddr any({address.endpoint().ip, 0});
    EXPECT_EQ(bind(socket.get(), any.get(), any.size()), 0);
    EXPECT_EQ(listen(socket.get(), 1), 0);
    return socket;
}

// A list of flows for which there was no memory ended the gateway.
TEST(Flows, ForWhichThereIsNoMemoryDoNotEndTheProxy) {
    const Fd backend = listen_anywhere();
    const Endpoint to = local_endpoint(backend.get());
    const Endpoint free = local_endpoint(listen_anywhere().get());
    Service service;
    service.name = "service";
    service.listen = {{free.ip, {free.port, free.port}}};
    service.backends = {{{to.ip, {to.port, to.port}}}};
    const auto engine = make_proxy_engine({.threads = 1});
    const auto applied = engine->apply(std::make_shared<const Desired>(Desired{Ruleset({service}), Topology()}));
    ASSERT_TRUE(applied) << applied.error().message;

    const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SockAddr address(free);
    ASSERT_EQ(connect(client.get(), address.get(), address.size()), 0);
    pollfd called{.fd = backend.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(poll(&called, 1, 10'000), 1);
    const Fd served(accept4(backend.get(), nullptr, nullptr, SOCK_CLOEXEC));
    char answer = 'a';
    ASSERT_EQ(send(served.get(), &answer, 1, 0), 1);
    ASSERT_EQ(recv(client.get(), &answer, 1, 0), 1);  // the connection is relayed

    EXPECT_THROW((void)engine->flows([](const LiveFlow&) { throw std::bad_alloc(); }), std::bad_alloc);
    size_t flows = 0;
    EXPECT_TRUE(engine->flows([&](const LiveFlow&) { ++flows; }));
    EXPECT_EQ(flows, 1u);
}

}  // namespace
}  // namespace hairpin
