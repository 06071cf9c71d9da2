// The fixture of tests of TCP streams: one service, one backend that the test itself plays, and clients on both sides.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "support/tcp.h"

namespace hairpin {

// Every engine, from outside (client) and hairpinned (peer). One lab an engine serves all tests of a suite.
class TcpStream : public testing::TestWithParam<std::tuple<std::string, std::string>> {
public:
    static std::vector<ParamType> cases();
    static std::string name_of(const testing::TestParamInfo<ParamType>& info);

protected:
    static void TearDownTestSuite() { labs_.clear(); }
    void SetUp() override;
    void TearDown() override;  // whatever a test did, nothing of it may be left

    const std::string& engine() const { return std::get<0>(GetParam()); }
    const TestLab& lab() const { return *lab_; }
    Fd dial() const;               // a client of the service
    Conversation connect() const;  // and the backend's end of it

    static const Endpoint external;
    static const Endpoint internal;
    Fd server_;  // listens as the backend

private:
    static inline std::map<std::string, std::unique_ptr<TestLab>> labs_;
    const TestLab* lab_ = nullptr;
};

void expect_same(const std::string& got, const std::string& sent);  // without printing megabytes
void expect_whole(const Ending& ending, const std::string& sent);   // all, and an end in order
void expect_broken(const Ending& ending, const std::string& sent);  // all, and a reset
std::future<bool> sending(const Fd& to, const std::string& bytes);  // both must outlive it

}  // namespace hairpin
