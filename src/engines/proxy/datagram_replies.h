// What backends answer, on its way to clients: gathered from all sessions that a round of events names, so that what
// leaves from one listener leaves in one call, and wakes the clients once.
#pragma once

#include <vector>

#include "engines/proxy/datagram_batch.h"

namespace hairpin::proxy {

class DatagramSession;

// One a worker, used by its thread alone.
class DatagramReplies {
public:
    DatagramReplies();

    DatagramBatch& batch_with_room();  // for one message at least
    // Has datagrams of the batch sent from a listener's socket. Precondition: the session lives until then.
    void add(DatagramSession& session, int listener, const DatagramBatch::Run& run);
    // Sends what was gathered, and tells each session what became of it. Takes no memory.
    void send();

private:
    DatagramBatch batch_;
    std::vector<DatagramBatch::Run> runs_;
    struct Origin {
        DatagramSession* session;
        int listener;
    };
    std::vector<Origin> origins_;  // of the runs
};

}  // namespace hairpin::proxy
