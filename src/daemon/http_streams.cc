#include "daemon/http_streams.h"

#include <microhttpd.h>
#include <poll.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

namespace hairpin {

using std::chrono::steady_clock;

namespace {

// Whether who is at the other end says nothing more, and hears nothing either, for all that is known.
bool has_closed(int socket) {
    pollfd end{socket, POLLRDHUP, 0};
    return poll(&end, 1, 0) > 0;
}

}  // namespace

struct HttpStreams::Reader {
    HttpStreams& all;
    MHD_Connection* connection;
    int socket;
    HttpStream stream;
    std::string piece = {};  // under way
    size_t sent = 0;         // of it
    bool waits = false;      // the library does not ask for it until it is resumed
    bool has_gone = false;
    steady_clock::time_point last = steady_clock::now();  // that it was given something

    // False: there is nothing.
    bool load(std::string next) {
        piece = std::move(next);
        sent = 0;
        return !piece.empty();
    }
    size_t take(char* buffer, size_t room) {
        const size_t size = piece.copy(buffer, room, sent);
        sent += size;
        last = steady_clock::now();
        return size;
    }
};

// What the library calls, on its thread. No exception may pass through it.
struct HttpStreamCallbacks {
    static ssize_t read(void* of, uint64_t, char* buffer, size_t room) try {
        auto& reader = *static_cast<HttpStreams::Reader*>(of);
        const std::lock_guard lock(reader.all.mutex_);
        if (reader.has_gone) return MHD_CONTENT_READER_END_WITH_ERROR;
        if (reader.sent < reader.piece.size() || reader.load(reader.stream.next())) {
            return static_cast<ssize_t>(reader.take(buffer, room));
        }
        if (reader.all.ended_) return MHD_CONTENT_READER_END_OF_STREAM;
        reader.waits = true;
        MHD_suspend_connection(reader.connection);
        return 0;
    } catch (const std::exception&) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }

    static void close(void* of) {
        auto* reader = static_cast<HttpStreams::Reader*>(of);
        reader->all.close(reader);
    }
};

HttpStreams::HttpStreams() = default;
HttpStreams::~HttpStreams() = default;

MHD_Response* HttpStreams::open(MHD_Connection* connection, HttpStream stream) {
    constexpr size_t block = 4096;
    const std::lock_guard lock(mutex_);
    const auto here = std::ranges::count_if(readers_, [](const auto& reader) { return !has_closed(reader->socket); });
    if (static_cast<size_t>(here) >= most) return nullptr;
    const int socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    auto made = std::make_unique<Reader>(Reader{*this, connection, socket, std::move(stream)});
    Reader* const reader = made.get();
    reader->load(std::move(reader->stream.first));
    readers_.push_back(std::move(made));
    MHD_Response* response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block, HttpStreamCallbacks::read,
                                                               reader, HttpStreamCallbacks::close);
    if (!response) {
        readers_.pop_back();
        throw std::bad_alloc();
    }
    return response;
}

void HttpStreams::wake() {
    const std::lock_guard lock(mutex_);
    for (const auto& reader : readers_) {
        if (!reader->waits) continue;
        reader->has_gone = has_closed(reader->socket);
        const bool is_due = steady_clock::now() - reader->last >= longest_silence;
        try {
            if (!reader->load(reader->stream.next()) && is_due) reader->load(reader->stream.heartbeat);
        } catch (const std::bad_alloc&) {
            continue;  // the next time, perhaps
        }
        if (reader->piece.empty() && !reader->has_gone) continue;
        reader->waits = false;
        MHD_resume_connection(reader->connection);
    }
}

void HttpStreams::end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (const auto& reader : readers_) {
        if (std::exchange(reader->waits, false)) MHD_resume_connection(reader->connection);
    }
}

size_t HttpStreams::count() const {
    const std::lock_guard lock(mutex_);
    return readers_.size();
}

void HttpStreams::close(const Reader* reader) {
    const std::lock_guard lock(mutex_);
    std::erase_if(readers_, [reader](const auto& one) { return one.get() == reader; });
}

}  // namespace hairpin
