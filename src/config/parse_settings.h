// The keys of the whole gateway: all at the top of a file but `defaults` and `services`.
#pragma once

#include <optional>
#include <vector>

#include "config/config.h"
#include "config/reader.h"

namespace hairpin {

// Reads them into `settings`, as far as they can be read. What is wrong with them is the reader's to know.
class SettingsParser {
public:
    SettingsParser(Reader& reader, Settings& settings) : reader_(reader), settings_(settings) {}

    void read(const Key& key, yaml::Node value);
    // Once all is read: what settings and services have against each other.
    void validate(const std::vector<Service>& services) const;

private:
    void read_api(const Key& key, yaml::Node value);

    Reader& reader_;
    Settings& settings_;
    std::optional<yaml::Mark> api_listen_;  // where they stand
    std::optional<yaml::Mark> api_group_;
};

}  // namespace hairpin
