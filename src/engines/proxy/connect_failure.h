// Why a backend could not be reached: the errno of a failed attempt, told apart by what the operator can do about it.
#pragma once

#include <chrono>
#include <string>

#include "model/flow.h"
#include "model/stats.h"

namespace hairpin::proxy {

struct ConnectFailure {
    Refusal refusal = Refusal::backend;
    int error_number = 0;
    bool in_source = false;  // the source address could not be used

    std::chrono::milliseconds waited{0};  // so long for an answer that did not come; 0: there was one, or an error

    static ConnectFailure of(int error_number);
    static ConnectFailure of_timeout(std::chrono::milliseconds waited);
    static ConnectFailure of_source(int error_number);

    // It did not accept, or cannot be reached; otherwise it is we who lack or forbid something.
    bool is_of_backend() const;

    std::string reason() const;                      // in few words
    std::string describe(const Leg& backend) const;  // for the log
    std::string advice(Protocol protocol) const;     // why, and what to do about it
};

}  // namespace hairpin::proxy
