#include "daemon/retired_flows.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

#include "daemon/state_file.h"
#include "support/fake_engine.h"
#include "support/program.h"
#include "unit/model/values.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

FlowCounts counts(uint64_t active) { return {{{"web", endpoint("10.0.0.2:80")}, active}}; }
Living so_many(uint64_t active) { return {counts(active), {}}; }

LiveFlow flow(std::string_view backend, bool ended = false) {
    return {.service = "web",
            .path = Path::peer,
            .client = {Protocol::tcp, endpoint("10.0.0.3:40000"), endpoint("1.0.0.1:80")},
            .backend = {Protocol::tcp, endpoint("1.0.0.1:33001"), endpoint(backend)},
            .ended = ended,
            .bytes_to_backend = 120,
            .age = 5s};
}

class RetiredFlowsTest : public testing::Test {
protected:
    // A process that has told of so many and still lives.
    pid_t retire(uint64_t active) const {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe(ends.data()), 0);
        const pid_t child = fork();
        if (child == 0) {
            RetiredFlows flows(socket_);
            const bool told = flows.tell(so_many(active)).ok();
            if (write(ends[1], told ? "." : "!", 1) == 1) pause();
            _exit(1);
        }
        char word = 0;
        EXPECT_EQ(read(ends[0], &word, 1), 1);
        EXPECT_EQ(word, '.');
        close(ends[0]);
        close(ends[1]);
        return child;
    }
    static void kill_and_bury(pid_t child) {
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
    }

    const TemporaryDirectory directory_;
    const std::string socket_ = directory_ / "hairpin.sock";
    const RetiredFlows serving_{socket_};
};

TEST_F(RetiredFlowsTest, AreAddedUpForAsLongAsTheirProcessesLive) {
    EXPECT_EQ(serving_.read().counts, FlowCounts());
    const pid_t one = retire(3);
    const pid_t other = retire(4);
    EXPECT_EQ(serving_.read().counts, counts(7));
    kill_and_bury(one);
    EXPECT_EQ(serving_.read().counts, counts(4));
    EXPECT_NE(access((socket_ + ".retired." + std::to_string(one)).c_str(), F_OK), 0) << "nothing is left of it";
    kill_and_bury(other);
    EXPECT_EQ(serving_.read().counts, FlowCounts());
}

TEST_F(RetiredFlowsTest, AreWhatWasToldLast) {
    RetiredFlows flows(socket_);
    ASSERT_TRUE(flows.tell(so_many(3)));
    ASSERT_TRUE(flows.tell(so_many(2)));
    ASSERT_TRUE(flows.tell(so_many(2)));
    EXPECT_EQ(serving_.read().counts, counts(2));
    flows.take_back();
    EXPECT_EQ(serving_.read().counts, FlowCounts());
    ASSERT_TRUE(flows.tell(so_many(2)));
    EXPECT_EQ(serving_.read().counts, counts(2));
}

TEST_F(RetiredFlowsTest, AreListedAsTheyWereTold) {
    RetiredFlows flows(socket_);
    EXPECT_FALSE(serving_.any());
    ASSERT_TRUE(flows.tell({counts(1), {flow("10.0.0.2:80")}}));
    EXPECT_TRUE(serving_.any());
    const Living read = serving_.read();
    EXPECT_EQ(read.total(), 1u);
    ASSERT_EQ(read.listed.size(), 1u);
    const LiveFlow& told = read.listed[0];
    EXPECT_EQ(told.service, "web");
    EXPECT_EQ(told.path, Path::peer);
    EXPECT_EQ(told.client, flow("10.0.0.2:80").client);
    EXPECT_EQ(told.backend, flow("10.0.0.2:80").backend);
    EXPECT_EQ(told.bytes_to_backend, 120u);
    EXPECT_FALSE(told.bytes_to_client);
    EXPECT_GE(told.age, 5s) << "it grows older, whether it is told anew or not";
    EXPECT_LT(told.age, 60s);
}

TEST_F(RetiredFlowsTest, OfOthersAreNotTouched) {
    const std::string theirs = directory_ / "hairpin.sock.retired.not-a-number";
    std::ofstream(theirs) << "[]";
    EXPECT_EQ(serving_.read().counts, FlowCounts());
    EXPECT_EQ(access(theirs.c_str(), F_OK), 0);
}

TEST_F(RetiredFlowsTest, AreKnownToNobodyWithoutASocket) {
    RetiredFlows nowhere("");
    EXPECT_TRUE(nowhere.tell(so_many(1)));
    EXPECT_EQ(nowhere.read().counts, FlowCounts());
}

// The file is removed by whoever finds that nobody holds it: never between two versions of it.
TEST_F(RetiredFlowsTest, AreNotForgottenWhileTheyAreToldAnew) {
    const std::string file = directory_ / "file";
    std::atomic<bool> over = false;
    std::jthread writer([&] {
        std::optional<Fd> held;
        for (int i = 0; i < 1000; ++i) {
            auto next = hold_state(file, "x");
            if (!next) break;
            held = *std::move(next);
        }
        over = true;
    });
    while (!over && access(file.c_str(), F_OK) != 0) std::this_thread::yield();
    int found_free = 0;
    while (!over) {
        const bool held = is_held(file);
        if (!over && !held) ++found_free;
    }
    EXPECT_EQ(found_free, 0);
}

class LivingFlowsTest : public testing::Test {
protected:
    void set_active(uint64_t active) {
        ServiceStats web;
        web.service = "web";
        web.active = active;
        engine_.told_stats = Stats{{web}};
    }
    FlowCounts counted(bool retired) {
        EXPECT_TRUE(living_.look(engine_, retired));
        return living_.living().counts;
    }

    FakeEngine engine_;
    LivingFlows living_;
};

TEST_F(LivingFlowsTest, AreThoseThatHaveNotEnded) {
    engine_.told_flows = {flow("10.0.0.2:80"), flow("10.0.0.2:80"), flow("10.0.0.2:80", true)};
    EXPECT_EQ(counted(false), counts(2));
}

TEST_F(LivingFlowsTest, AreLookedAtAnewWhereAllAreListed) {
    engine_.told_flows = {flow("10.0.0.2:80")};
    set_active(1);
    EXPECT_EQ(counted(true), counts(1));
    engine_.told_flows[0].bytes_to_client = 77;
    EXPECT_EQ(counted(true), counts(1));
    EXPECT_EQ(living_.living().listed.at(0).bytes_to_client, 77u);
}

TEST_F(LivingFlowsTest, AreCountedAgainWhereTheyMayHaveChangedAlone) {
    constexpr size_t many = most_listed + 2;
    engine_.told_flows.assign(many, flow("10.0.0.2:80"));
    set_active(many);
    EXPECT_EQ(counted(false), counts(many));
    EXPECT_EQ(living_.living().listed.size(), most_listed);
    engine_.told_flows.pop_back();
    EXPECT_EQ(counted(true), counts(many - 1)) << "one may have begun and another ended before it was retired";
    engine_.told_flows.push_back(flow("10.0.0.2:80"));
    EXPECT_EQ(counted(true), counts(many)) << "one was on its way to a backend";
    engine_.told_flows.clear();
    EXPECT_EQ(counted(true), counts(many)) << "nobody has looked: as many are active, and all were counted";
    set_active(0);
    EXPECT_EQ(counted(true), FlowCounts());
}

}  // namespace
}  // namespace hairpin
