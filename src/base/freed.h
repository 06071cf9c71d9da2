// What a C library has allocated, as a std::unique_ptr: std::unique_ptr<nl_sock, Freed<nl_socket_free>>.
#pragma once

namespace hairpin {

template <auto free>
struct Freed {
    void operator()(auto* p) const { free(p); }
};

}  // namespace hairpin
