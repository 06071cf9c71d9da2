#include "engines/proxy/segments.h"

#include <algorithm>

namespace hairpin::proxy {

size_t joinable(std::span<const Datagram> datagrams, size_t header, size_t largest) {
    const size_t size = header + datagrams[0].payload.size();
    if (size == 0 || size > std::min(largest, most_segment_bytes)) return 1;
    const size_t most = std::min({datagrams.size(), most_segments, most_segment_bytes / size});
    for (size_t count = 1; count < most; ++count) {
        const size_t next = header + datagrams[count].payload.size();
        if (next != size) return next > 0 && next < size ? count + 1 : count;
    }
    return most;
}

void split(const Datagram& message, size_t size, std::vector<Datagram>& datagrams) {
    Payload rest = message.payload;
    for (; rest.size() > size; rest = rest.subspan(size)) datagrams.push_back({rest.first(size), message.message});
    datagrams.push_back({rest, message.message});
}

}  // namespace hairpin::proxy
