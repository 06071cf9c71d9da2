// nginx as a backend whose health is asked for, over HTTP and over TLS.
//
//   client ── 1.0.0.1 gateway ──┬── server1 10.0.0.2  nginx: 8080 and, by TLS, 8443
//                               ╰── server2 10.0.0.3  nobody
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/binary.h"
#include "support/program.h"
#include "support/test_lab.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
defaults: {health: {kind: http, path: /health, host: www.example.org, status: 200, interval: 1s, timeout: 1s}}
services:
  plain: {listen: 1.0.0.1:80, backends: [10.0.0.2:8080, 10.0.0.3:8080]}
  tls:
    listen: 1.0.0.1:443
    backends: 10.0.0.2:8443
    health: {kind: https, path: /health, host: www.example.org, status: 200, interval: 1s, timeout: 1s}
)";

// Who asks for another host, or names none in TLS, gets no answer.
constexpr std::string_view nginx_conf = R"(
daemon off;
master_process off;
pid pid;
error_log stderr notice;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    ssl_certificate certificate;
    ssl_certificate_key key;
    server {
        listen 10.0.0.2:8080 default_server;
        listen 10.0.0.2:8443 ssl default_server;
        ssl_reject_handshake on;
        return 444;
    }
    server {
        listen 10.0.0.2:8080;
        listen 10.0.0.2:8443 ssl;
        server_name www.example.org;
        root root;
    }
}
)";

std::string states(const TestLab& lab) {
    const auto told = nlohmann::json::parse(
        output_of(lab->host("gateway"), {hairpin_binary(), "backends", "--json", "--socket", lab.socket()}));
    std::string all;
    for (const auto& backend : told.at("backends")) all += backend.at("state").get<std::string>() + " ";
    return all;
}

TEST(NginxHealth, IsWhatItsPageSays) {
    need_programs({"nginx", "openssl"});
    if (IsSkipped() || HasFatalFailure()) return;
    const TestLab lab(yaml, "proxy", TestLab::Backends::none);
    ASSERT_TRUE(lab);
    const TemporaryDirectory folder;
    ASSERT_TRUE(std::filesystem::create_directory(folder / "root"));
    std::ofstream(folder / "nginx.conf") << nginx_conf;
    std::ofstream(folder / "root/health") << "well\n";
    output_of(lab->host("server1"), {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody",
                                     "-keyout", folder / "key", "-out", folder / "certificate"});
    const auto nginx =
        start_server(lab->host("server1"), {path_of("nginx"), "-e", "stderr", "-p", folder / "", "-c", "nginx.conf"},
                     "using the \"epoll\" event method");
    ASSERT_TRUE(nginx);

    EXPECT_TRUE(wait_for([&] { return states(lab) == "up down up "; })) << states(lab) << lab->daemon_log();
    std::filesystem::remove(folder / "root/health");
    EXPECT_TRUE(wait_for([&] { return states(lab) == "down down down "; })) << states(lab) << lab->daemon_log();
    EXPECT_TRUE(lab->daemon().wait_for_output("backend 10.0.0.2:8443 is down: HTTP status 404 (3 in a row)", patience));
    std::ofstream(folder / "root/health") << "well again\n";
    EXPECT_TRUE(wait_for([&] { return states(lab) == "up down up "; })) << states(lab) << lab->daemon_log();
}

}  // namespace
}  // namespace hairpin
