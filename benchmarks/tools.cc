#include "tools.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace hairpin::bench {
namespace {

using std::chrono::seconds;

Result<std::string> output_of(const lab::Host& host, const std::vector<std::string>& argv, seconds expected) {
    auto process = lab::Process::start(host, argv);
    if (!process) return process.error();
    const auto status = (*process)->wait(expected + seconds(20));
    if (!status) return Error{argv.front() + " does not end\n" + (*process)->output()};
    if (*status != 0) return Error{argv.front() + " failed\n" + (*process)->output()};
    (*process)->wait_for_output("\f", seconds(5));  // nobody prints that: until the end of its output
    return (*process)->output();
}

// The number that follows `label`, and its unit behind it.
struct Quantity {
    double value = 0;
    std::string_view unit;
};
std::optional<Quantity> quantity_after(const std::string& text, std::string_view label) {
    const size_t at = text.find(label);
    if (at == text.npos) return std::nullopt;
    char* end = nullptr;
    const char* begin = text.c_str() + at + label.size();
    const double value = std::strtod(begin, &end);
    if (end == begin) return std::nullopt;
    return Quantity{value, end};
}

std::optional<double> seconds_after(const std::string& text, std::string_view label) {
    const auto quantity = quantity_after(text, label);
    if (!quantity) return std::nullopt;
    const double scale = quantity->unit.starts_with("us") ? 1e-6 : quantity->unit.starts_with("ms") ? 1e-3 : 1;
    return quantity->value * scale;
}

}  // namespace

//   Latency Distribution
//      50%  100.00us
//      99%    1.20ms
//   51234 requests in 1.00s, 1.90MB read
// Requests/sec:  51234.12
Result<Requests> read_wrk(const std::string& output) {
    const auto p50 = seconds_after(output, "     50%");
    const auto p99 = seconds_after(output, "     99%");
    const auto rate = quantity_after(output, "Requests/sec:");
    const size_t number = output.rfind('\n', output.find(" requests in "));
    if (!p50 || !p99 || !rate || number == output.npos) return Error{"what wrk printed cannot be read\n" + output};
    return Requests{rate->value, std::strtod(output.c_str() + number, nullptr), *p50, *p99};
}

Result<Requests> run_wrk(const Client& client, int connections, seconds time) {
    const auto output = output_of(client.host,
                                  {"wrk", "-t1", fmt::format("-c{}", connections), fmt::format("-d{}s", time.count()),
                                   "--latency", fmt::format("http://{}/", client.asked.str())},
                                  time);
    if (!output) return output.error();
    if (output->find("Socket errors") != std::string::npos) return Error{*output};
    return read_wrk(*output);
}

Result<Transfer> run_iperf(const Client& client, int streams, seconds time) {
    const auto output = output_of(client.host,
                                  {"iperf3", "-J", "-c", client.asked.ip.str(), "-p", std::to_string(client.asked.port),
                                   "-P", std::to_string(streams), "-t", std::to_string(time.count())},
                                  time);
    if (!output) return output.error();
    const auto json = nlohmann::json::parse(*output, nullptr, false);
    const auto received = nlohmann::json::json_pointer("/end/sum_received");
    if (json.is_discarded() || !json.contains(received)) return Error{"what iperf3 printed cannot be read\n" + *output};
    return Transfer{json.at(received).at("bytes").get<double>(), json.at(received).at("seconds").get<double>()};
}

}  // namespace hairpin::bench
