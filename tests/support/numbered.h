// Numbered datagrams at a steady pace, echoed and counted: which of them got lost?
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/test_lab.h"

namespace hairpin {

// Sends from a thread of its own: two a millisecond, each with the sender's id and its number.
class NumberedSender {
public:
    enum class Flows { one, many };  // many: each datagram from a port of its own
    NumberedSender(const lab::Host& host, const Ip& own, const Endpoint& service, uint32_t id, Flows flows);
    ~NumberedSender() { stop(); }
    NumberedSender(const NumberedSender&) = delete;
    NumberedSender& operator=(const NumberedSender&) = delete;

    void stop();
    uint32_t id() const { return id_; }
    uint64_t sent() const { return sent_; }
    uint64_t answered() const { return answered_; }  // echoes that came; counted where there is one flow

private:
    void loop(const Ip& own, const Endpoint& service, Flows flows);

    const uint32_t id_;
    std::atomic<bool> stopped_ = false;
    std::atomic<uint64_t> sent_ = 0;
    std::atomic<uint64_t> answered_ = 0;
    std::thread thread_;
};

// Echoes what it receives, from a thread of its own, and counts each number once.
class NumberedReceiver {
public:
    NumberedReceiver(const lab::Host& host, const Endpoint& endpoint, size_t senders);
    ~NumberedReceiver();
    NumberedReceiver(const NumberedReceiver&) = delete;
    NumberedReceiver& operator=(const NumberedReceiver&) = delete;

    uint64_t received(uint32_t sender) const { return counts_[sender]; }

private:
    void loop();

    const Fd socket_;
    const Fd stop_;
    std::vector<std::vector<bool>> seen_;  // by sender and number
    std::vector<std::atomic<uint64_t>> counts_;
    std::thread thread_;
};

}  // namespace hairpin
