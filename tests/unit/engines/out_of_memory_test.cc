// An engine that finds no memory for a change goes on as it was.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
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

Endpoint free_port(Protocol protocol) {
    const Endpoint any = *Endpoint::parse("127.0.0.1:1");
    const Fd probe = open_socket(protocol, Family::v4);
    const SockAddr address({any.ip, 0});
    EXPECT_EQ(bind(probe.get(), address.get(), address.size()), 0);
    return local_endpoint(probe.get());
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

bool is_served(const Endpoint& endpoint) {
    const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SockAddr address(endpoint);
    return connect(client.get(), address.get(), address.size()) == 0;
}

TEST(OutOfMemory, AChangeHappensWholeOrNotAtAll) {
    const Endpoint kept = free_port(Protocol::tcp), gone = free_port(Protocol::tcp), added = free_port(Protocol::tcp);
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
            ASSERT_TRUE(is_served(kept) && is_served(gone) && !is_served(added)) << "after " << refusals;
            ASSERT_TRUE(engine->stats());
        }
    }
    EXPECT_GT(refusals, 10);
    EXPECT_TRUE(is_served(kept) && !is_served(gone) && is_served(added));
}

}  // namespace
}  // namespace hairpin
