// What foreign load generators print.
#include "benchmarks/tools.h"

#include <gtest/gtest.h>

namespace hairpin::bench {
namespace {

TEST(ReadWrk, Summary) {
    const auto read = read_wrk(R"(Running 1s test @ http://10.0.0.2:54321/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   319.37us  141.25us   5.69ms   94.91%
    Req/Sec    49.69k     1.22k   51.23k    72.73%
  Latency Distribution
     50%  301.00us
     75%  333.00us
     90%  394.00us
     99%    1.20ms
  54405 requests in 1.10s, 2.02MB read
Requests/sec:  49463.20
Transfer/sec:      1.84MB
)");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_DOUBLE_EQ(read->rate, 49463.20);
    EXPECT_DOUBLE_EQ(read->number, 54405);
    EXPECT_DOUBLE_EQ(read->p50, 301e-6);
    EXPECT_DOUBLE_EQ(read->p99, 1.2e-3);
}

TEST(ReadWrk, AnythingElse) { EXPECT_FALSE(read_wrk("unable to connect to 1.0.0.1:5432 Connection refused\n")); }

}  // namespace
}  // namespace hairpin::bench
