// c-ares, as the resolver needs it: questions with answers that come later, all in one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/ip.h"

struct ares_channeldata;

namespace hairpin::discovery {

// Of one host, in one family.
struct Addresses {
    enum class Outcome { found, none, unheard } outcome = Outcome::unheard;
    std::vector<Ip> ips;
    std::chrono::seconds ttl{0};
    std::string reason;  // where nothing is found
};

// A message that answers a question, or why there is none.
struct Message {
    Addresses::Outcome outcome = Addresses::Outcome::unheard;
    std::span<const uint8_t> bytes;  // while the callback runs
    std::string reason;
};

// Asks the given servers, or those of /etc/resolv.conf as it stands when this is made, with its search domains; for
// addresses /etc/hosts first. A question ends within seconds, whatever the servers do. Callbacks run within wait(), or
// at once where nobody need be asked; with this object those end that are left, and are not called. One thread.
class Dns {
public:
    static Result<std::unique_ptr<Dns>> open(std::span<const Endpoint> servers);
    ~Dns();
    Dns(const Dns&) = delete;
    Dns& operator=(const Dns&) = delete;

    void ask_addresses(const std::string& host, Family family, std::function<void(const Addresses&)> then);
    void ask_servers(const std::string& name, std::function<void(const Message&)> then);

    // Until `wake` is readable, an answer has come or the time is over.
    void wait(int wake, std::chrono::steady_clock::time_point until);

private:
    Dns() = default;
    std::map<int, short> sockets_;  // what poll() is to look for
    ares_channeldata* channel_ = nullptr;
};

}  // namespace hairpin::discovery
