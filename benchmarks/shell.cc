#include "shell.h"

#include <array>
#include <cstdio>

namespace hairpin::bench {

std::string printed_by(const std::string& command) {
    FILE* const pipe = popen(command.c_str(), "re");
    if (pipe == nullptr) return {};
    std::string output;
    std::array<char, 4096> buffer;
    for (size_t size = 0; (size = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        output.append(buffer.data(), size);
    pclose(pipe);
    return output;
}

}  // namespace hairpin::bench
