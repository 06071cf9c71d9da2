// What our table in the kernel's packet filter holds: a frame that is always the same, and the parts that services add
// to it. Plain values; knows nothing of services.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hairpin::nft {

inline constexpr std::string_view table = "inet hairpin";

// An element of one of the frame's maps and sets, spelled as nft(8) does.
struct Element {
    std::string set;
    std::string key;    // "1.0.0.1 . tcp . 5432"
    std::string value;  // what a map says for it; empty in a set

    bool operator==(const Element&) const = default;
};

// A chain, a policy of timeouts, or a set that packets fill. Its content decides its name: equal ones are one, and none
// ever changes.
struct Definition {
    enum class Kind { timeout, set, chain };
    Kind kind = Kind::chain;
    std::string name;
    std::string body;  // lines, without the braces around them

    // Whether a chain found in the table is one of these, and no part of the frame.
    static bool names(std::string_view chain);

    bool operator==(const Definition& other) const { return kind == other.kind && name == other.name; }
};

// What one service, or the network around the gateway, adds to the frame.
struct Part {
    std::vector<Definition> definitions;
    std::vector<Element> elements;
};

// The way from one state of the table to another.
struct Change {
    Part gone;
    Part added;
};

// All parts together. What several of them have in common is there once, and as long as one of them needs it.
class Contents {
public:
    // Takes parts out and puts others in; what that changes in the table.
    Change replace(const std::vector<Part>& out, const std::vector<Part>& in);

    bool holds_chain(const std::string& name) const;

private:
    struct Hash {
        size_t operator()(const Element& element) const;
        size_t operator()(const Definition& definition) const;
    };
    std::unordered_map<Definition, uint32_t, Hash> definitions_;  // how many parts need it
    std::unordered_map<Element, uint32_t, Hash> elements_;
};

// Eight characters that stand for a text, the same in every version of the program: they land in names that outlive it.
std::string digest(std::string_view text);

// Commands for nft(8) that carry a change out, as one transaction.
std::string commands(const Change& change);

}  // namespace hairpin::nft
