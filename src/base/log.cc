#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/colour.h"
#include "base/log_queue.h"

namespace hairpin {
namespace {

std::shared_ptr<LogQueue> queue;  // once there is one

// systemd.exec(5): JOURNAL_STREAM names the journal's stream; stderr may have been redirected since.
bool stderr_is_journal() {
    const char* journal = std::getenv("JOURNAL_STREAM");
    struct stat stream {};
    if (!journal || fstat(STDERR_FILENO, &stream) != 0) return false;
    return journal == std::to_string(stream.st_dev) + ":" + std::to_string(stream.st_ino);
}

// "<4>": the priority of syslog(3) that the journal reads from the start of a line.
class Priority : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
        line.push_back('<');
        line.push_back(digit(message.level));
        line.push_back('>');
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }

private:
    static char digit(spdlog::level::level_enum level) {
        switch (level) {
            case spdlog::level::critical:
                return '2';
            case spdlog::level::err:
                return '3';
            case spdlog::level::warn:
                return '4';
            case spdlog::level::info:
                return '6';
            default:
                return '7';
        }
    }
};

}  // namespace

void start_log() {
    const auto colour = wants_colour(STDERR_FILENO) ? spdlog::color_mode::automatic : spdlog::color_mode::never;
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(colour);
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    if (stderr_is_journal()) {
        formatter->add_flag<Priority>('*').set_pattern("%*%v");
    } else {
        formatter->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    }
    sink->set_formatter(std::move(formatter));
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("", std::move(sink)));
}

Result<> queue_log() {
    auto started = LogQueue::start(spdlog::default_logger()->sinks().front());
    if (!started) return started.error();
    queue = *std::move(started);
    auto logger = std::make_shared<spdlog::logger>("", queue);
    logger->set_error_handler([](const std::string&) {});  // the default one writes to stderr, and waits for it
    spdlog::set_default_logger(std::move(logger));
    return {};
}

bool finish_log() { return !queue || queue->wait_until_written(); }

}  // namespace hairpin
