// The line with which the lab's servers answer: who they are and whom they saw. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lab/proxy_header.h"

namespace hairpin::lab {

// "server1 tcp 10.0.0.2:54321 saw 1.0.0.1:40001", and if a PROXY header came: " announced v1 SOURCE DESTINATION".
struct Greeting {
    std::string host;
    Leg leg;  // as it reached the server
    std::optional<Proxied> header;

    std::string str() const;  // one line, without its end
    static Result<Greeting> parse(std::string_view line);
};

}  // namespace hairpin::lab
