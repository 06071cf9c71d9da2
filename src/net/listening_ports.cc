#include "net/listening_ports.h"

#include <fstream>
#include <sstream>
#include <string>

namespace hairpin {
namespace {

// proc(5): "sl local_address rem_address st ...", addresses and ports in hexadecimal.
void read(const char* file, std::string_view listening_state, std::vector<uint16_t>& ports) {
    std::ifstream table(file);
    std::string line;
    std::getline(table, line);  // the heading
    while (std::getline(table, line)) {
        std::istringstream fields(line);
        std::string number;
        std::string local;
        std::string remote;
        std::string state;
        if (!(fields >> number >> local >> remote >> state) || state != listening_state) continue;
        ports.push_back(static_cast<uint16_t>(std::stoul(local.substr(local.rfind(':') + 1), nullptr, 16)));
    }
}

}  // namespace

std::vector<uint16_t> listening_ports() {
    std::vector<uint16_t> ports;
    for (const char* tcp : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) read(tcp, "0A", ports);
    for (const char* udp : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"}) read(udp, "07", ports);
    return ports;
}

}  // namespace hairpin
