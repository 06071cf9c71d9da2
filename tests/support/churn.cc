#include "support/churn.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/fd.h"
#include "net/sockaddr.h"
#include "support/test_lab.h"

namespace hairpin {

namespace {

// Connects, asks and hears the echo. False, with the reason in errno, where it does not.
bool is_answered(const SockAddr& server) {
    const linger reset_at_close{1, 0};
    const timeval limit{patience.count() / 1000, 0};
    constexpr std::string_view question = "sixteen bytes...";
    const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset_at_close, sizeof reset_at_close);
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::array<char, question.size()> answer{};
    errno = 0;
    return connect(fd.get(), server.get(), server.size()) == 0 &&
           send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL) == question.size() &&
           recv(fd.get(), answer.data(), answer.size(), MSG_WAITALL) == question.size() &&
           std::string_view(answer.data(), answer.size()) == question;
}

// One more connection; true if it was answered.
bool try_once(const SockAddr& server, Tally& tally) {
    const bool answered = is_answered(server);
    tally.answered += answered;
    if (!answered && tally.failures++ == 0) tally.first_failure = strerror(errno);
    return answered;
}

}  // namespace

Tally churn(const lab::Host& host, const Endpoint& endpoint, std::chrono::steady_clock::time_point start,
            size_t slices) {
    const SockAddr to(endpoint);
    return host.run([&] {
        Tally tally;
        tally.by_slice.resize(slices);
        for (;;) {
            const bool answered = try_once(to, tally);
            const auto now_slice = static_cast<size_t>((std::chrono::steady_clock::now() - start) / slice);
            if (now_slice >= slices) return tally;
            tally.by_slice[now_slice] += answered;
        }
    });
}

Churn::Churn(const lab::Host& host, const Endpoint& endpoint)
    : load_(std::async(std::launch::async, [this, &host, to = SockAddr(endpoint)] {
          return host.run([&] {
              Tally tally;
              while (!over_) answered_ += try_once(to, tally);
              return tally;
          });
      })) {}

Churn::~Churn() { over_ = true; }

bool Churn::goes_on(size_t answers) const {
    const size_t enough = answered_ + answers;
    return wait_for([&] { return answered_ >= enough; });
}

Tally Churn::stop() {
    over_ = true;
    return load_.get();
}

std::chrono::seconds load_time() {
    const char* wanted = std::getenv("HAIRPIN_LOAD_SECONDS");
    return std::chrono::seconds(wanted ? std::atoi(wanted) : 15);
}

bool names_program_to_measure() {
    if (std::getenv("HAIRPIN")) return true;
    EXPECT_FALSE(std::getenv("CI")) << "HAIRPIN names no program to measure";
    return false;
}

}  // namespace hairpin
