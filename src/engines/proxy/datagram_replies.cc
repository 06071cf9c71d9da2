#include "engines/proxy/datagram_replies.h"

#include "engines/proxy/datagram.h"

namespace hairpin::proxy {

DatagramReplies::DatagramReplies() {
    runs_.reserve(DatagramBatch::most_messages);
    origins_.reserve(DatagramBatch::most_messages);
}

DatagramBatch& DatagramReplies::batch_with_room() {
    if (batch_.room() == 0) send();
    return batch_;
}

void DatagramReplies::add(DatagramSession& session, int listener, const DatagramBatch::Run& run) {
    runs_.push_back(run);
    origins_.push_back({&session, listener});
}

void DatagramReplies::send() {
    for (size_t first = 0, end = 0; first < runs_.size(); first = end) {
        const int listener = origins_[first].listener;
        while (end < runs_.size() && origins_[end].listener == listener) ++end;
        batch_.send(listener, std::span(runs_).subspan(first, end - first));
    }
    for (size_t i = 0; i < runs_.size(); ++i) origins_[i].session->on_replied(runs_[i].sent);
    runs_.clear();
    origins_.clear();
    batch_.clear();
}

}  // namespace hairpin::proxy
