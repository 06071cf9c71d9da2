// Reads values out of a YAML tree as the table of keys describes them, and collects what is wrong with them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "config/config.h"
#include "config/keys.h"
#include "config/values.h"
#include "config/yaml.h"

namespace hairpin {

class Reader {
public:
    explicit Reader(std::string origin) : origin_(std::move(origin)) {}

    // At most max_complaints are kept, so that a hostile file cannot fill the memory.
    void complain(yaml::Mark mark, std::string_view label, std::string_view message);
    void add(Diagnostic diagnostic);
    static constexpr size_t max_complaints = 1000;

    // Sorted by place, each once; if there were more than are kept, the last one says so. Ends the reader's use.
    std::vector<Diagnostic> complaints() &&;

    // Visits each entry of a mapping whose key is new and plain text, and complains about the others.
    using EntryVisitor = std::function<void(yaml::Node name, yaml::Node value)>;
    void each_entry(yaml::Node mapping, std::string_view label, const EntryVisitor& visit);

    // Visits each entry whose key is one of keys_in(parent), and complains about the others.
    using KeyVisitor = std::function<void(const Key& key, yaml::Node value)>;
    void each_key(yaml::Node mapping, std::string_view label, std::string_view parent, const KeyVisitor& visit);

    // Visits one value, or each of a list, with its label.
    using ItemVisitor = std::function<void(yaml::Node item, const std::string& label)>;
    void each_item(const Key& key, yaml::Node node, const ItemVisitor& visit);

    // The value, or nothing after a complaint.
    std::optional<std::string_view> text(const std::string& label, yaml::Node node);
    std::optional<std::string_view> bytes(const std::string& label, yaml::Node node);  // not only printable ones
    std::optional<std::string_view> word(const Key& key, yaml::Node node);             // one of key.words
    std::optional<int64_t> count(const Key& key, yaml::Node node);                     // a word is 0
    std::optional<std::chrono::milliseconds> duration(const Key& key, yaml::Node node);

    // The enumerator that is written.
    template <class E>
    std::optional<E> choice(const Key& key, yaml::Node node) {
        const auto written = word(key, node);
        return written ? from_name<E>(*written) : std::nullopt;
    }

    // T::parse of one value.
    template <class T>
    std::optional<T> parsed(const std::string& label, yaml::Node node) {
        const auto written = text(label, node);
        if (!written) return std::nullopt;
        auto value = T::parse(*written);
        if (value) return *std::move(value);
        complain(node.mark(), label, value.error().message);
        return std::nullopt;
    }

private:
    std::string origin_;
    std::vector<Diagnostic> complaints_;
    bool too_many_ = false;
};

}  // namespace hairpin
