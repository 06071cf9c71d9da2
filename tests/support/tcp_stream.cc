#include "support/tcp_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engines/registry.h"

namespace hairpin {
namespace {

constexpr std::string_view yaml = R"(
services:
  srv: {listen: 1.0.0.1:1234, backends: 10.0.0.2:12345, connect_timeout: 10s}
)";

}  // namespace

const Endpoint TcpStream::external = *Endpoint::parse("1.0.0.1:1234");
const Endpoint TcpStream::internal = *Endpoint::parse("10.0.0.2:12345");

std::vector<TcpStream::ParamType> TcpStream::cases() {
    std::vector<ParamType> all;
    for (const EngineEntry& engine : engines()) {
        for (const char* host : {"client", "peer"}) all.emplace_back(engine.name, host);
    }
    return all;
}

std::string TcpStream::name_of(const testing::TestParamInfo<ParamType>& info) {
    return std::get<0>(info.param) + "_" + std::get<1>(info.param);
}

void TcpStream::SetUp() {
    auto& lab = labs_[engine()];
    if (!lab) lab = std::make_unique<TestLab>(yaml, engine(), TestLab::Backends::none);
    ASSERT_TRUE(*lab);
    lab_ = lab.get();
    server_ = listen_on((*lab)->host("server1"), internal);
}

void TcpStream::TearDown() {
    server_.reset();
    if (!lab_) return;
    // Connection tracking cannot be sure of a reset that crossed other data, and remembers the connection for a while.
    if (engine() != "proxy") return;
    EXPECT_TRUE(wait_for([&] { return lab_->stats("srv").active == 0; })) << (*lab_)->daemon_log();
}

Fd TcpStream::dial() const { return hairpin::dial((*lab_)->host(std::get<1>(GetParam())), external); }

Conversation TcpStream::connect() const {
    Conversation made;
    made.client = dial();
    EXPECT_TRUE(made.client) << strerror(errno);
    made.backend = accept_from(server_);
    EXPECT_TRUE(made.backend) << strerror(errno);
    return made;
}

void expect_same(const std::string& got, const std::string& sent) {
    EXPECT_EQ(got.size(), sent.size());
    EXPECT_TRUE(got == sent) << "the bytes differ from " << std::ranges::mismatch(got, sent).in1 - got.begin() << " on";
}

void expect_whole(const Ending& ending, const std::string& sent) {
    expect_same(ending.bytes, sent);
    EXPECT_EQ(ending.error, 0) << strerror(ending.error);
}

void expect_broken(const Ending& ending, const std::string& sent) {
    expect_same(ending.bytes, sent);
    EXPECT_EQ(ending.error, ECONNRESET) << "a truncated stream that looks whole";
}

std::future<bool> sending(const Fd& to, const std::string& bytes) {
    return std::async(std::launch::async, [&] { return send_all(to, bytes); });
}

}  // namespace hairpin
