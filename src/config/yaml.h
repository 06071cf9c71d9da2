// YAML text as a read-only tree of values, each with its line and column. The only user of libyaml.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace hairpin::yaml {

// Where something was written: both count from 1, the column in characters.
struct Mark {
    int line = 0;
    int column = 0;
};

// What keeps a text from being one YAML document.
struct Failure {
    Mark mark;
    std::string message;
};

// Bounds on what a text may ask of us. Aliases count as if the value they name were written out, so a walk of the
// whole tree takes at most `max_values` steps.
inline constexpr size_t max_bytes = 32u << 20;
inline constexpr size_t max_values = 2'000'000;
inline constexpr size_t max_depth = 32;

enum class Kind : uint8_t { scalar, sequence, mapping };

class Document;

// A value in a Document, which must outlive it. Cheap to copy.
class Node {
public:
    Kind kind() const;
    Mark mark() const;
    std::string_view text() const;                       // of a scalar, without quotes; else empty
    std::vector<Node> items() const;                     // of a sequence; else empty
    std::vector<std::pair<Node, Node>> entries() const;  // of a mapping, in the order written; else empty

private:
    friend class Document;
    Node(const Document* document, uint32_t index) : document_(document), index_(index) {}
    const Document* document_;
    uint32_t index_;
};

// Immutable, so threads may share it. An alias is the value that it names, marks included.
class Document {
public:
    bool empty() const { return values_.empty(); }  // no document in the text, or one without a value
    Node root() const { return {this, root_}; }     // precondition: !empty()

private:
    friend class Node;
    friend class Composer;

    struct Value {
        Kind kind = Kind::scalar;
        Mark mark;
        uint32_t begin = 0;  // of a scalar's characters in text_, else of its items in items_
        uint32_t length = 0;
    };

    std::vector<Value> values_;
    std::vector<uint32_t> items_;  // indices into values_; keys and values of a mapping alternate
    std::string text_;
    uint32_t root_ = 0;
};

// Bounded in time and memory whatever the text. Refuses more than one document, and tags of applications.
std::variant<Document, Failure> parse(std::string_view text);

}  // namespace hairpin::yaml
