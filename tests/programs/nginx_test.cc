// nginx behind 1.0.0.1:80, told by the PROXY protocol who its clients are; clients.h has the picture.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <tuple>

#include "config/config.h"
#include "engines/registry.h"
#include "programs/clients.h"
#include "support/binary.h"
#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

constexpr std::string_view url = "http://1.0.0.1/";
constexpr size_t large_file_bytes = 50'000'000;

std::string gateway_yaml(const std::string& version, const std::string& keys = "") {
    return "services:\n"
           "  web: {listen: 1.0.0.1:80, backends: 10.0.0.2:8080, proxy_protocol: {send: " +
           version + "}" + keys +
           "}\n"
           "  other: {listen: 1.0.0.1:81, backends: 10.0.0.3:8080}\n";  // for the sake of server2
}

// Believes the gateway, and nobody else. Each request is logged as one line: client, path, number in its connection.
// Paths are relative to `nginx -p`.
constexpr std::string_view nginx_conf = R"(
daemon off;
master_process off;
pid pid;
error_log stderr notice;
events {}
http {
    log_format who 'served $remote_addr $uri $connection_requests';
    access_log /dev/stdout who;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;

    set_real_ip_from 1.0.0.1;
    set_real_ip_from 10.0.0.1;
    real_ip_header proxy_protocol;
    server {
        listen 10.0.0.2:8080 proxy_protocol;
        root root;
    }
}
)";

class Nginx : public testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    void SetUp() override {
        need_programs({"nginx", "curl"});
        if (IsSkipped() || HasFatalFailure()) return;
        const auto& [engine, version] = GetParam();
        const std::string yaml = gateway_yaml(version);
        const Ruleset ruleset(parse_config(yaml, "").services);
        const auto gaps = find_engine(engine)->make({})->gaps(ruleset);
        if (!gaps.empty() && gaps.front().fatal) GTEST_SKIP() << "gap: " << gaps.front().message;
        lab_ = std::make_unique<TestLab>(yaml, engine, TestLab::Backends::none);
        ASSERT_TRUE(*lab_);

        ASSERT_TRUE(std::filesystem::create_directory(folder_ / "root"));
        std::ofstream(folder_ / "nginx.conf") << nginx_conf;
        std::ofstream(folder_ / "root/hello") << "hello\n";
        // It listens when it says so: the sockets come first.
        nginx_ =
            start_server(host("server1"), {path_of("nginx"), "-e", "stderr", "-p", folder_ / "", "-c", "nginx.conf"},
                         "using the \"epoll\" event method");
        ASSERT_TRUE(nginx_);
    }

    const lab::Host& host(std::string_view name) const { return (*lab_)->host(name); }

    std::string curl(std::string_view from, std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {path_of("curl"), "--disable", "--silent", "--show-error", "--fail"});
        return output_of(host(from), arguments);
    }

    // nginx writes this once the last byte is on its way.
    bool logs(const std::string& client, const std::string& path, int number_in_connection) const {
        return nginx_->wait_for_output(
            "served " + client + " " + path + " " + std::to_string(number_in_connection) + "\n", patience);
    }

    TemporaryDirectory folder_;
    std::unique_ptr<TestLab> lab_;
    std::unique_ptr<lab::Process> nginx_;
};

TEST_P(Nginx, LogsTheTrueAddressOfEveryClient) {
    for (const Client& client : clients) {
        SCOPED_TRACE(name(client.path));
        EXPECT_EQ(curl(client.host, {std::string(url) + "hello"}), "hello\n");
        EXPECT_TRUE(logs(client.address, "/hello", 1)) << nginx_->output();
    }
}

TEST_P(Nginx, SendsTheHeaderOncePerConnectionNotPerRequest) {
    const std::string page = std::string(url) + "hello";
    for (const Client& client : clients) {
        SCOPED_TRACE(name(client.path));
        const std::string report =
            curl(client.host, {page, page, page, "--write-out", "%{num_connects} %{response_code}\\n"});
        EXPECT_EQ(report, "hello\n1 200\nhello\n0 200\nhello\n0 200\n");
        EXPECT_TRUE(logs(client.address, "/hello", 3)) << nginx_->output();
    }
    EXPECT_EQ(lab_->stats("web").accepted_on(Path::peer), 1u);
}

TEST_P(Nginx, TakesHealthChecksForConnectionsOfTheGateway) {
    for (const char* check : {"{kind: http, path: /hello}", "{send: \"GET /hello\\r\\n\", expect: hello}"}) {
        SCOPED_TRACE(check);
        ASSERT_TRUE(lab_->reload(gateway_yaml(std::get<1>(GetParam()), std::string(", health: ") + check)));
        std::string told;
        EXPECT_TRUE(wait_for([&] {
            told = output_of(host("gateway"), {hairpin_binary(), "backends", "--socket", lab_->socket()});
            return told.find("10.0.0.2:8080  up ") != std::string::npos;
        })) << told
            << nginx_->output();
        EXPECT_EQ(curl("client", {std::string(url) + "hello"}), "hello\n");
    }
}

TEST_P(Nginx, DeliversFiftyMegabytesUnchanged) {
    const std::string original = folder_ / "root/large";
    {
        std::ofstream file(original, std::ios::binary);
        std::mt19937_64 random(1);
        for (size_t i = 0; i < large_file_bytes / sizeof(uint64_t); ++i) {
            const uint64_t word = random();
            file.write(reinterpret_cast<const char*>(&word), sizeof word);
        }
    }
    for (const char* from : {"client", "server2", "server1"}) {
        SCOPED_TRACE(from);
        const std::string copy = folder_ / from;
        curl(from, {std::string(url) + "large", "--output", copy});
        output_of(host(from), {"cmp", original, copy});
    }
    EXPECT_TRUE(wait_for([&] { return lab_->stats("web").bytes_to_clients > 3 * large_file_bytes; }));
}

std::string name_of(const testing::TestParamInfo<Nginx::ParamType>& info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param);
}
INSTANTIATE_TEST_SUITE_P(Every, Nginx, testing::Combine(testing::ValuesIn(engine_names()), testing::Values("v1", "v2")),
                         name_of);

}  // namespace
}  // namespace hairpin
