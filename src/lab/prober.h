// The lab's clients: they ask an endpoint, and hold the answer against what was planned.
#pragma once

#include <chrono>
#include <string>

#include "lab/greeting.h"
#include "lab/host.h"
#include "lab/plan.h"

namespace hairpin::lab {

struct Answer {
    Greeting greeting;
    Endpoint client;     // where the question was sent from
    Endpoint announced;  // the source that the client's PROXY header named; without one: `client`
};

// Opens a socket on `host`, asks `asked.destination` from `asked.source`, and returns once the answer is complete and
// its bytes are those that were sent. TCP: some kilobytes, then the end of the stream in both directions. UDP: one
// datagram, whose answer must come from the address that was asked. Errors say what was seen instead.
Result<Answer> ask(const Host& host, const Leg& asked, ProxyHeader header, std::chrono::milliseconds timeout);

// What is wrong with an answer that came from the backend of `expected`; empty: nothing. Pure.
std::string fault(const Probe& probe, const Expectation& expected, const Answer& answer);

}  // namespace hairpin::lab
