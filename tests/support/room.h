// Room for what piles up in a socket while a busy machine has no time for its reader.
#pragma once

#include <sys/socket.h>

namespace hairpin {

// Only root may exceed the system's limit; others get that. False: not even that.
inline bool make_room(int socket, int bytes) {
    return setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0 ||
           setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0;
}

}  // namespace hairpin
