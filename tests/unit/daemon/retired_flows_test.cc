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

FlowCounts counts(uint64_t active) { return {{{"web", endpoint("10.0.0.2:80")}, active}}; }

class RetiredFlowsTest : public testing::Test {
protected:
    // A process that has told of so many and still lives.
    pid_t retire(uint64_t active) const {
        std::array<int, 2> ends{};
        EXPECT_EQ(pipe(ends.data()), 0);
        const pid_t child = fork();
        if (child == 0) {
            RetiredFlows flows(socket_);
            const bool told = flows.tell(counts(active)).ok();
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
    EXPECT_EQ(serving_.read(), FlowCounts());
    const pid_t one = retire(3);
    const pid_t other = retire(4);
    EXPECT_EQ(serving_.read(), counts(7));
    kill_and_bury(one);
    EXPECT_EQ(serving_.read(), counts(4));
    EXPECT_NE(access((socket_ + ".retired." + std::to_string(one)).c_str(), F_OK), 0) << "nothing is left of it";
    kill_and_bury(other);
    EXPECT_EQ(serving_.read(), FlowCounts());
}

TEST_F(RetiredFlowsTest, AreWhatWasToldLast) {
    RetiredFlows flows(socket_);
    ASSERT_TRUE(flows.tell(counts(3)));
    ASSERT_TRUE(flows.tell(counts(2)));
    ASSERT_TRUE(flows.tell(counts(2)));
    EXPECT_EQ(serving_.read(), counts(2));
    flows.take_back();
    EXPECT_EQ(serving_.read(), FlowCounts());
    ASSERT_TRUE(flows.tell(counts(2)));
    EXPECT_EQ(serving_.read(), counts(2));
}

TEST_F(RetiredFlowsTest, OfOthersAreNotTouched) {
    const std::string theirs = directory_ / "hairpin.sock.retired.not-a-number";
    std::ofstream(theirs) << "[]";
    EXPECT_EQ(serving_.read(), FlowCounts());
    EXPECT_EQ(access(theirs.c_str(), F_OK), 0);
}

TEST_F(RetiredFlowsTest, AreKnownToNobodyWithoutASocket) {
    RetiredFlows nowhere("");
    EXPECT_TRUE(nowhere.tell(counts(1)));
    EXPECT_EQ(nowhere.read(), FlowCounts());
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
    static LiveFlow flow(std::string_view backend, bool ended = false) {
        return {.service = "web", .client = {}, .backend = {Protocol::tcp, {}, endpoint(backend)}, .ended = ended};
    }
    void set_active(uint64_t active) {
        ServiceStats web;
        web.service = "web";
        web.active = active;
        engine_.told_stats = Stats{{web}};
    }
    FlowCounts counted(bool retired) {
        EXPECT_TRUE(living_.count(engine_, retired));
        return living_.counts();
    }

    FakeEngine engine_;
    LivingFlows living_;
};

TEST_F(LivingFlowsTest, AreThoseThatHaveNotEnded) {
    engine_.told_flows = {flow("10.0.0.2:80"), flow("10.0.0.2:80"), flow("10.0.0.2:80", true)};
    EXPECT_EQ(counted(false), counts(2));
}

TEST_F(LivingFlowsTest, AreCountedAgainWhereTheyMayHaveChangedAlone) {
    engine_.told_flows = {flow("10.0.0.2:80"), flow("10.0.0.2:80")};
    set_active(2);
    EXPECT_EQ(counted(false), counts(2));
    engine_.told_flows.pop_back();
    EXPECT_EQ(counted(true), counts(1)) << "one may have begun and another ended before it was retired";
    engine_.told_flows.push_back(flow("10.0.0.2:80"));
    EXPECT_EQ(counted(true), counts(2)) << "one was on its way to a backend";
    engine_.told_flows.clear();
    EXPECT_EQ(counted(true), counts(2)) << "nobody has looked: as many are active, and all were counted";
    set_active(0);
    EXPECT_EQ(counted(true), FlowCounts());
}

}  // namespace
}  // namespace hairpin
