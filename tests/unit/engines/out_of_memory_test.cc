// An engine that finds no memory for a change goes on as it was.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <new>
#include <thread>

#include "engines/proxy/proxy_engine.h"
#include "net/socket.h"

namespace {

// While it is set, one thread may allocate so often and all others not at all.
std::atomic<bool> scarce{false};
std::atomic<std::thread::id> served_thread;
std::atomic<size_t> allocations_left;

void* allocate(size_t size) {
    if (scarce && (std::this_thread::get_id() != served_thread || allocations_left-- == 0)) return nullptr;
    return std::malloc(size);
}

}  // namespace

// For all tests of this program. Those of arrays and of large alignments stay as they are. Inlined, the compiler would
// complain of free() for what `new` gave.
void* operator new(size_t size) {
    if (void* memory = allocate(size)) return memory;
    throw std::bad_alloc();
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace hairpin {
namespace {

// Held until all are drawn, so that no two are the same.
std::array<Endpoint, 3> three_free_ports() {
    std::array<Fd, 3> held;
    std::array<Endpoint, 3> endpoints;
    const SockAddr any({*Ip::parse("127.0.0.1"), 0});
    for (size_t i = 0; i < held.size(); ++i) {
        held[i] = open_socket(Protocol::tcp, Family::v4);
        EXPECT_EQ(bind(held[i].get(), any.get(), any.size()), 0);
        endpoints[i] = local_endpoint(held[i].get());
    }
    return endpoints;
}

std::shared_ptr<const Desired> desired(std::initializer_list<Endpoint> listens) {
    std::vector<Service> services;
    for (const Endpoint& listen : listens) {
        Service service;
        service.name = "a service with a name that needs memory, at " + listen.str();
        service.listen = {{listen.ip, {listen.port, listen.port}}};
        service.protocols = Protocols::both;
        service.backends = {{*EndpointRange::parse("127.0.0.1:9")}};
        services.push_back(service);
    }
    return std::make_shared<const Desired>(Desired{Ruleset(std::move(services)), Topology()});
}

// Asks from another address of this machine: where nobody listens, a socket at the same one may be connected to itself.
// Who serves may reset it, as the backend is none, before it is back from connect().
bool is_served(const Endpoint& endpoint) {
    const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_TRUE(bind_source(client.get(), {*Ip::parse("127.0.0.2"), 0}));
    const SockAddr address(endpoint);
    if (connect(client.get(), address.get(), address.size()) == 0 || errno == ECONNRESET) return true;
    EXPECT_EQ(errno, ECONNREFUSED);
    return false;
}

TEST(OutOfMemory, AChangeHappensWholeOrNotAtAll) {
    const auto [kept, gone, added] = three_free_ports();
    const auto before = desired({kept, gone});
    const auto after = desired({kept, added});
    const auto engine = make_proxy_engine({.threads = 2});
    ASSERT_TRUE(engine->apply(before));

    size_t refusals = 0;
    for (bool changed = false; !changed; ++refusals) {
        ASSERT_LT(refusals, 10'000);
        served_thread = std::this_thread::get_id();
        allocations_left = refusals;
        scarce = true;
        try {
            const auto applied = engine->apply(after);
            scarce = false;
            ASSERT_TRUE(applied) << applied.error().message;
            changed = true;
        } catch (const std::bad_alloc&) {
            scarce = false;
            SCOPED_TRACE(fmt::format("after {} allocations", refusals));
            ASSERT_TRUE(is_served(kept));
            ASSERT_TRUE(is_served(gone));
            ASSERT_FALSE(is_served(added));
            ASSERT_TRUE(engine->stats());
        }
    }
    EXPECT_GT(refusals, 10);
    EXPECT_TRUE(is_served(kept) && !is_served(gone) && is_served(added));
}

}  // namespace
}  // namespace hairpin
