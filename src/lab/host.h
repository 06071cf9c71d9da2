// One host of the lab: an anonymous network namespace, and what is configured in it through netlink.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/fd.h"
#include "base/result.h"
#include "model/topology.h"

struct nl_sock;

namespace hairpin::lab {

// Lives as long as this object: the namespace has no name, no file and no process of its own. One thread configures it;
// run() may be called from any.
class Host {
public:
    // A new namespace with its loopback up. Needs CAP_SYS_ADMIN over the network, as gain_privileges() gives it.
    static Result<Host> make();

    // Calls `work` within the namespace, on a thread that ends with it. Sockets opened there stay in this namespace and
    // can be used by any thread.
    template <std::invocable Work>
    auto run(const Work& work) const {
        if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
            run_within(work);
        } else {
            std::optional<std::invoke_result_t<Work>> result;
            run_within([&] { result.emplace(work()); });
            return *std::move(result);
        }
    }

    int netns() const { return netns_.get(); }  // for setns(2)

    // Two links, one in each host, with a wire between them. Both are up.
    static Result<> connect(Host& one, const Link& one_end, Host& other, const Link& other_end);
    // A switch over these links of this host.
    Result<> add_bridge(const std::string& name, std::span<const Link> ports);
    Result<> add_address(const Address& address);  // IPv6: usable at once, without duplicate address detection
    Result<> add_route(const Route& route);
    Result<> set_sysctl(std::string_view key, std::string_view value) const;  // "net/ipv4/ip_forward"

private:
    struct CloseNetlink {
        void operator()(nl_sock* sock) const;
    };

    Host() = default;
    void run_within(const std::function<void()>& work) const;
    Result<> set_up(int link);

    Fd netns_;
    std::unique_ptr<nl_sock, CloseNetlink> netlink_;
};

}  // namespace hairpin::lab
