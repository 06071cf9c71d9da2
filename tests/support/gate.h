// Random services behind the kernel's half of the bpf engines, and whether it does with packets what translate() says.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host_kernel.h"
#include "model/flow.h"
#include "model/translate.h"
#include "support/packet.h"
#include "support/random_services.h"

namespace hairpin::bpf {

// What an environment variable says, or else the other.
uint32_t number_from(const char* variable, uint32_t otherwise);

// To the link address `to`, from one of nobody's.
std::string frame_of(const std::string& packet, const std::array<uint8_t, 6>& to = {});
Packet packet_in(const std::string& frame);
std::string packet_of(Protocol protocol, const Endpoint& from, const Endpoint& to, std::string_view payload,
                      const TcpFields& fields);
hp_tuple tuple_of(const Leg& leg);

// A flow that was made, as its packets are on either side.
struct Made {
    Leg client;
    Leg backend;
    int client_link = 0;
    int backend_link = 0;
};

// Has some kernel's half serve what the tables say, and nothing else. `routing`: how it is to route, if it can be told.
using Serve = std::function<KernelHalf&(const Tables& tables, size_t services, const HostKernel::Routing& routing)>;

constexpr PortRange free_ports{40000, 49999};
constexpr int lo = 1;

class Gate {
public:
    Gate(RandomServices& random, const Topology& topology, const Serve& serve);

    KernelHalf& kernel() { return kernel_; }
    const std::vector<Service>& services() const { return services_; }

    int link_of(const Ip& ip) const;
    int any_link(RandomServices& random) const;

    // A client's first packet, if that is to be judged as such. Nothing: it opened no flow, as is right.
    std::optional<Made> open(const Leg& client, int link);
    void answer(const Made& made);
    // By either program: in the driver as behind it, or left to that.
    void go_on(const Made& made);
    // Routers and hosts complain: about the client's packets to the client, about the answers to the backend. What they
    // quote is what was sent.
    void complain(const Made& made);

private:
    Tables compiled() const;
    void expect_refused(const Verdict& verdict, const Leg& client, int link, const std::string& payload) const;
    std::map<uint16_t, Flow> flows_of(const Leg& client, const Slots& slots) const;  // by backend
    std::string frame_to(int link, const std::string& packet) const;
    void expect_error(int link, const Leg& about, const Ip& to, const std::pair<Endpoint, Endpoint>& sent);

    const Topology topology_;
    const std::vector<Service> services_;
    const Ruleset ruleset_;
    const Tables tables_;
    KernelHalf& kernel_;
};

// Asks what there is, most of the time.
Leg random_question(const Gate& gate, RandomServices& random, uint16_t port);

// The topology is that of two_legged(). Ends with the first failure. HAIRPIN_SEED=N repeats what that prints,
// HAIRPIN_ROUNDS=N is for other than so many rounds.
void expect_what_translate_says(const Topology& topology, uint32_t rounds, const Serve& serve);

}  // namespace hairpin::bpf
