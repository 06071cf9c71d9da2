#include "cli/interruption.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace hairpin {

Interruption::Interruption() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, &usual_);
    asked_ = Fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interruption::~Interruption() { sigprocmask(SIG_SETMASK, &usual_, nullptr); }

// Reading takes the signal, which would end the process at last.
bool Interruption::comes(std::chrono::milliseconds within) const {
    pollfd asked{asked_.get(), POLLIN, 0};
    signalfd_siginfo signal{};
    return poll(&asked, 1, static_cast<int>(within.count())) > 0 && read(asked_.get(), &signal, sizeof signal) > 0;
}

}  // namespace hairpin
