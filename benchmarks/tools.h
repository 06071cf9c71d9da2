// Load from programs that others wrote: wrk and iperf3.
#pragma once

#include "arena.h"

namespace hairpin::bench {

struct Requests {
    double rate = 0;  // a second
    double number = 0;
    double p50 = 0;  // seconds
    double p99 = 0;
};
// HTTP requests over so many connections, one after the other on each.
Result<Requests> run_wrk(const Client& client, int connections, std::chrono::seconds time);

struct Transfer {
    double bytes = 0;  // received
    double seconds = 0;

    double bits_per_second() const { return bytes * 8 / seconds; }
};
// So many streams to the server.
Result<Transfer> run_iperf(const Client& client, int streams, std::chrono::seconds time);

// What wrk printed. Pure.
Result<Requests> read_wrk(const std::string& output);

}  // namespace hairpin::bench
