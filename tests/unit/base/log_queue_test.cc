// Lines on their way to a reader that may stall.
#include "base/log_queue.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <semaphore>
#include <string_view>
#include <vector>

namespace hairpin {
namespace {

// Takes a line only when it is let.
class Reader : public spdlog::sinks::sink {
public:
    void log(const spdlog::details::log_msg& line) override {
        may_take_.acquire();
        lines_.emplace_back(line.payload.begin(), line.payload.end());
    }
    void flush() override {}
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

    void take(std::ptrdiff_t lines) { may_take_.release(lines); }
    const std::vector<std::string>& lines() const { return lines_; }  // once all are written

private:
    std::counting_semaphore<> may_take_{0};
    std::vector<std::string> lines_;
};

void say(LogQueue& queue, std::string_view text) { queue.log({"", spdlog::level::info, {text.data(), text.size()}}); }

TEST(LogQueue, WritesEveryLineInOrder) {
    const auto reader = std::make_shared<Reader>();
    const auto queue = LogQueue::start(reader).value();
    for (const auto* line : {"one", "two", "three"}) say(*queue, line);
    reader->take(3);
    ASSERT_TRUE(queue->wait_until_written());
    EXPECT_EQ(reader->lines(), (std::vector<std::string>{"one", "two", "three"}));
}

TEST(LogQueue, KeepsTheNewestLinesWhileTheReaderStallsAndSaysHowManyItLost) {
    const auto reader = std::make_shared<Reader>();
    const auto queue = LogQueue::start(reader).value();
    constexpr size_t lost = 5;
    // One line may have left the queue before it is full: it waits in the reader's hands.
    for (size_t i = 0; i < LogQueue::most + 1 + lost; ++i) say(*queue, std::to_string(i));
    reader->take(LogQueue::most + 2 + lost);
    ASSERT_TRUE(queue->wait_until_written());
    const auto& lines = reader->lines();
    ASSERT_GE(lines.size(), LogQueue::most);
    EXPECT_EQ(lines.back(), std::to_string(LogQueue::most + lost));
    const auto told = std::ranges::find_if(lines, [](const std::string& line) { return line.ends_with("no more"); });
    ASSERT_NE(told, lines.end());
    const size_t missing = LogQueue::most + 1 + lost - (lines.size() - 1);
    EXPECT_TRUE(told->starts_with(std::to_string(missing) + " lines of this log are missing")) << *told;
}

}  // namespace
}  // namespace hairpin
