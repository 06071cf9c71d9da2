#include "daemon/order_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/program.h"

namespace hairpin {
namespace {

using namespace std::chrono_literals;

const ServiceBackend gone{"web", *EndpointRange::parse("10.0.0.9:80")};

Orders some(Departures::Time by = std::chrono::steady_clock::now()) {
    const Administration administration({{{"web", *EndpointRange::parse("10.0.0.2:80")}, Duty::draining},
                                         {{"range", *EndpointRange::parse("[fd00::2]:90-99")}, Duty::disabled}});
    return {administration, Departures({{gone, {by, by + 5s}}})};
}

class OrderFileTest : public testing::Test {
protected:
    OrderFileTest() { unsetenv("STATE_DIRECTORY"); }

    std::string text() const {
        std::ostringstream out;
        out << std::ifstream(path_).rdbuf();
        return out.str();
    }
    void put(const std::string& text) const { std::ofstream(path_) << text; }
    std::string complaint() const {
        const auto read = file_.read();
        return read ? "" : read.error().message;
    }

    const TemporaryDirectory directory_;
    const std::string path_ = directory_ / "hairpin.sock.orders";
    const OrderFile file_ = OrderFile::of_socket(directory_ / "hairpin.sock");
};

TEST_F(OrderFileTest, GivesBackWhatItWasGiven) {
    EXPECT_EQ(*file_.read(), Orders());
    const auto by = std::chrono::steady_clock::now() + 10min;
    ASSERT_TRUE(file_.write(some(by)));
    const auto read = file_.read();
    ASSERT_TRUE(read) << complaint();
    EXPECT_EQ(read->administration, some().administration);
    const Departure departure = read->departures.all().at(gone);
    EXPECT_LT(std::chrono::abs(departure.by - by), 1s) << "unless somebody has set the clock meanwhile";
    EXPECT_EQ(departure.over - departure.by, 5s);
    struct stat status {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    ASSERT_TRUE(file_.write(Orders()));
    EXPECT_NE(access(path_.c_str(), F_OK), 0);
    EXPECT_TRUE(file_.write(Orders()));
}

// Which an earlier version may have written, or another clock.
TEST_F(OrderFileTest, IsReadByTheClockOfTheWall) {
    const auto by = Departures::Time(100s);
    const auto json = to_json(some(by), 1000s);
    EXPECT_EQ(json.at("leaving").at(0).at("by"), 1'100'000);
    EXPECT_EQ(json.at("leaving").at(0).at("over"), 1'105'000);
    EXPECT_EQ(orders_from(json, 1000s)->departures, some(by).departures);
    EXPECT_EQ(orders_from(json, 1300s)->departures, some(by - 300s).departures) << "after a boot";
    const auto earlier =
        nlohmann::json::parse(R"({"backends": [{"service": "web", "backend": "10.0.0.2:80", "duty": "draining"}]})");
    EXPECT_EQ(orders_from(earlier, 0s)->administration.duties().size(), 1u);
}

TEST_F(OrderFileTest, TellsWhoHasRetiredOfAStop) {
    const Orders stopped{{}, {}, Stop{Departures::Time(100s), Departures::Time(105s)}};
    EXPECT_FALSE(stopped.empty());
    const auto json = to_json(stopped, 1000s);
    EXPECT_EQ(json.at("stop").at("by"), 1'105'000);
    EXPECT_EQ(*orders_from(json, 1000s), stopped);
    EXPECT_FALSE(stopped.stop->is_over(Departures::Time(106s))) << "somebody may not have looked yet";
    EXPECT_TRUE(stopped.stop->is_over(Departures::Time(116s)));
    EXPECT_FALSE(to_json(some(), 1000s).contains("stop"));
}

TEST_F(OrderFileTest, IsWhereSystemdKeepsTheState) {
    const std::string folder = directory_ / "state";
    mkdir(folder.c_str(), 0700);
    setenv("STATE_DIRECTORY", folder.c_str(), 1);
    const OrderFile kept = OrderFile::of_socket(directory_ / "hairpin.sock");
    unsetenv("STATE_DIRECTORY");
    ASSERT_TRUE(kept.write(some()));
    EXPECT_EQ(access((folder + "/orders.json").c_str(), F_OK), 0);
}

TEST_F(OrderFileTest, WithoutASocketThereIsNone) {
    EXPECT_TRUE(OrderFile::of_socket("").write(some()));
    EXPECT_EQ(*OrderFile::of_socket("").read(), Orders());
}

TEST_F(OrderFileTest, SaysWhatIsWrongWithIt) {
    put("{");
    EXPECT_EQ(complaint(), path_ + ": this is not such a file: it is not JSON");
    for (const char* text : {"[]", "{}", R"({"backends": [{"service": "web"}]})",
                             R"({"backends": [{"service": "web", "backend": "nowhere", "duty": "draining"}]})",
                             R"({"backends": [{"service": "web", "backend": "10.0.0.2:80", "duty": "asleep"}]})",
                             R"({"backends": [{"service": 7, "backend": "10.0.0.2:80", "duty": "draining"}]})",
                             R"({"backends": [], "leaving": [{"service": "web", "backend": "10.0.0.2:80", "by": 1}]})",
                             R"({"backends": [], "stop": {"at": 1}})", R"({"backends": [], "stop": 1})",
                             R"({"backends": [], "leaving": [{"service": "web", "backend": "10.0.0.2:80", "by": 1,
                                 "over": 9000000000000000000}]})"}) {
        put(text);
        EXPECT_TRUE(complaint().starts_with(path_ + ": this is not such a file: ")) << text << complaint();
    }
}

TEST_F(OrderFileTest, TrustsNoFileOfAnotherUser) {
    ASSERT_EQ(symlink("/etc/passwd", path_.c_str()), 0);
    EXPECT_TRUE(complaint().starts_with(path_ + ": it cannot be read")) << complaint();
    unlink(path_.c_str());
    ASSERT_TRUE(file_.write(some()));
    if (chown(path_.c_str(), 65534, 65534) != 0) return;  // as root alone can
    EXPECT_EQ(complaint(), path_ + ": it is another user's, or no file: it is not read");
}

TEST_F(OrderFileTest, KeepsWhatItHeldWhereItCannotBeWritten) {
    const OrderFile nowhere = OrderFile::of_socket(directory_ / "none/hairpin.sock");
    EXPECT_FALSE(nowhere.write(some()));
    EXPECT_EQ(*nowhere.read(), Orders());
}

}  // namespace
}  // namespace hairpin
