// Texts that people read, held to stored ones.
#pragma once

#include <string>

namespace hairpin {

// The whole file, byte for byte. Where there is none the test fails.
std::string read_file(const std::string& path);

// Holds a text to the file `name` below tests/golden. UPDATE_GOLDEN=1 writes the file anew, and fails, so that nobody
// does it without looking.
void expect_golden(const std::string& name, const std::string& actual);

}  // namespace hairpin
