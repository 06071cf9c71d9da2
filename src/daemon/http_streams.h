// Answers over HTTP that go on: who reads them waits in the library's poll, and holds no more than the piece under way.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

struct MHD_Connection;
struct MHD_Response;

namespace hairpin {

// A body that comes in pieces, for as long as its reader stays.
struct HttpStream {
    std::string first;  // at once, so that a reader knows that it is heard; not empty
    // The next piece; empty: there is none yet. Any thread, one call at a time.
    std::function<std::string()> next;
    std::string heartbeat;  // a piece without meaning, where nothing has come for long, to see whether that one lives
};

// The streams of one server. Any thread, but for open().
class HttpStreams {
public:
    // So that half of the server's connections are left to others.
    static constexpr size_t most = 8;
    static constexpr std::chrono::seconds longest_silence{15};

    HttpStreams();
    ~HttpStreams();
    HttpStreams(const HttpStreams&) = delete;
    HttpStreams& operator=(const HttpStreams&) = delete;

    // The response whose body it is. Null: there are as many readers as there may be. The library's thread.
    MHD_Response* open(MHD_Connection* connection, HttpStream stream);

    // Readers that wait go on where there is something for them, or where it is time to see whether they live; one that
    // has closed its connection is let go. To be called when there may be something, and about once a second.
    void wake();

    // Each reader hears what there still is, and no more: nobody waits from now on.
    void end();

    size_t count() const;  // of readers

private:
    struct Reader;
    void close(const Reader* reader);
    friend struct HttpStreamCallbacks;

    mutable std::mutex mutex_;  // guards what follows; the library's own are taken while it is held, never before
    bool ended_ = false;
    std::list<std::unique_ptr<Reader>> readers_;
};

}  // namespace hairpin
