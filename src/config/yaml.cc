#include "config/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

// libyaml's own tree (yaml_parser_load) looks an anchor up by comparing it with all others and bounds neither the
// number of values nor what they weigh. So the tree is composed here, from its events.
namespace hairpin::yaml {
namespace {

// libyaml compares each %TAG directive with all before it.
constexpr int max_tag_directives = 16;

Mark mark_of(const yaml_mark_t& mark) { return {static_cast<int>(mark.line) + 1, static_cast<int>(mark.column) + 1}; }

std::string_view view(const yaml_char_t* text) {
    return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view();
}

// The place of a byte, where libyaml gives no line and column.
Mark mark_at(std::string_view text, size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto is_first_byte = [](char c) { return (c & 0xc0) != 0x80; };
    return {static_cast<int>(std::ranges::count(before, '\n')) + 1,
            static_cast<int>(std::ranges::count_if(before.substr(line_start), is_first_byte)) + 1};
}

bool has_many_tag_directives(std::string_view text) {
    int found = 0;
    for (size_t at = text.find("%TAG"); at != text.npos; at = text.find("%TAG", at + 4)) {
        if (++found > max_tag_directives) return true;
    }
    return false;
}

// Whether [ADDRESS]:... stands in this line as YAML's list of one, for want of quotes.
bool has_bare_ipv6_endpoint(std::string_view line) {
    constexpr size_t longest = 50;  // a quote, a bracket and an address; a hostile line may hold millions of them
    for (size_t end = line.find("]:"); end != line.npos; end = line.find("]:", end + 2)) {
        const std::string_view before = line.substr(0, end).substr(end - std::min(end, longest));
        const size_t begin = before.rfind('[');
        if (begin == before.npos || (begin > 0 && (before[begin - 1] == '"' || before[begin - 1] == '\''))) continue;
        const std::string_view inside = before.substr(begin + 1);
        const bool is_address = inside.find_first_not_of("0123456789abcdefABCDEF:.") == inside.npos;
        if (is_address && inside.find(':') != inside.npos) return true;
    }
    return false;
}

struct Event : yaml_event_t {
    Event() : yaml_event_t{} {}
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() { yaml_event_delete(this); }
};

struct Parser : yaml_parser_t {
    Parser() : yaml_parser_t{}, ready(yaml_parser_initialize(this) == 1) {}
    Parser(const Parser&) = delete;
    Parser& operator=(const Parser&) = delete;
    ~Parser() { yaml_parser_delete(this); }
    bool ready;
};

}  // namespace

class Composer {
public:
    explicit Composer(std::string_view text) : text_(text) {}

    std::variant<Document, Failure> compose() {
        if (!parser_.ready) return Failure{{}, "out of memory"};
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        // Even of nothing libyaml wants to know where it is.
        const char* text = text_.empty() ? "" : text_.data();
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text), text_.size());
        for (bool more = true; more && !failure_;) {
            Event event;
            if (yaml_parser_parse(&parser_, &event) == 1) {
                more = take(event);
            } else {
                failure_ = refusal();
            }
        }
        if (failure_) return *std::move(failure_);
        return std::move(document_);
    }

private:
    // A sequence or mapping whose end has not been seen.
    struct Open {
        uint32_t value;
        size_t first_item;  // in pending_
        std::string anchor;
    };

    // Returns whether there is more to come.
    bool take(const Event& event) {
        const Mark mark = mark_of(event.start_mark);
        switch (event.type) {
            case YAML_DOCUMENT_START_EVENT:
                if (std::exchange(begun_, true)) fail(mark, "a second document begins: write everything in one");
                break;
            case YAML_SCALAR_EVENT: {
                const auto& scalar = event.data.scalar;
                const uint32_t value = add(Kind::scalar, mark, scalar.tag);
                document_.values_[value].begin = static_cast<uint32_t>(document_.text_.size());
                document_.values_[value].length = static_cast<uint32_t>(scalar.length);
                document_.text_.append(view(scalar.value).data(), scalar.length);
                finish(value, 1, std::string(view(scalar.anchor)));
                break;
            }
            case YAML_SEQUENCE_START_EVENT:
                open(Kind::sequence, mark, event.data.sequence_start.tag, event.data.sequence_start.anchor);
                break;
            case YAML_MAPPING_START_EVENT:
                open(Kind::mapping, mark, event.data.mapping_start.tag, event.data.mapping_start.anchor);
                break;
            case YAML_SEQUENCE_END_EVENT:
            case YAML_MAPPING_END_EVENT:
                close();
                break;
            case YAML_ALIAS_EVENT:
                if (const auto found = anchors_.find(std::string(view(event.data.alias.anchor)));
                    found != anchors_.end()) {
                    pending_.push_back(found->second);
                } else {
                    fail(mark, "this alias names no value that ends before it");
                }
                break;
            case YAML_STREAM_END_EVENT:
            case YAML_NO_EVENT:
                return false;
            case YAML_STREAM_START_EVENT:
            case YAML_DOCUMENT_END_EVENT:
                break;
        }
        return true;
    }

    uint32_t add(Kind kind, Mark mark, const yaml_char_t* tag) {
        // "!" says "not what it looks like", and every scalar is text here anyway.
        if (tag && view(tag) != "!" && !view(tag).starts_with("tag:yaml.org,2002:")) {
            fail(mark, "tags (!...) mean nothing here: remove it");
        }
        if (document_.values_.size() == max_values) fail_size(mark);
        document_.values_.push_back({kind, mark, 0, 0});
        weights_.push_back(0);
        return static_cast<uint32_t>(document_.values_.size() - 1);
    }

    void open(Kind kind, Mark mark, const yaml_char_t* tag, const yaml_char_t* anchor) {
        if (open_.size() == max_depth) {
            return fail(mark, "nested more than " + std::to_string(max_depth) + " levels deep");
        }
        anchors_.erase(std::string(view(anchor)));  // until it ends, the name means nothing: a value holds not itself
        open_.push_back({add(kind, mark, tag), pending_.size(), std::string(view(anchor))});
    }

    void close() {
        const Open ended = std::move(open_.back());
        open_.pop_back();
        const auto items = pending_.begin() + static_cast<std::ptrdiff_t>(ended.first_item);
        size_t weight = 1;
        for (auto item = items; item != pending_.end(); ++item) weight += weights_[*item];
        Document::Value& value = document_.values_[ended.value];
        if (weight > max_values) return fail_size(value.mark);
        value.begin = static_cast<uint32_t>(document_.items_.size());
        value.length = static_cast<uint32_t>(pending_.end() - items);
        document_.items_.insert(document_.items_.end(), items, pending_.end());
        pending_.erase(items, pending_.end());
        finish(ended.value, static_cast<uint32_t>(weight), ended.anchor);
    }

    void finish(uint32_t value, uint32_t weight, const std::string& anchor) {
        weights_[value] = weight;
        if (!anchor.empty()) anchors_[anchor] = value;
        pending_.push_back(value);
        if (open_.empty()) document_.root_ = value;
    }

    void fail(Mark mark, std::string message) {
        if (!failure_) failure_ = Failure{mark, std::move(message)};
    }
    void fail_size(Mark mark) {
        fail(mark, "holds more than " + std::to_string(max_values) + " values, aliases written out");
    }

    // What libyaml found wrong.
    Failure refusal() const {
        const std::string problem = parser_.problem ? parser_.problem : "out of memory";
        switch (parser_.error) {
            case YAML_READER_ERROR:
                return {mark_at(text_, parser_.problem_offset),
                        problem + (problem.find("UTF-8") != problem.npos ? ": write the file in UTF-8" : "")};
            case YAML_SCANNER_ERROR:
            case YAML_PARSER_ERROR: {
                const Mark mark = mark_of(parser_.problem_mark);
                if (is_indenting_tab(mark)) return {mark, "a tab cannot indent: use spaces"};
                const std::string hint = has_bare_ipv6_endpoint(line_of(mark))
                                             ? ": an IPv6 endpoint needs quotes, as in \"[2001:db8::1]:80\""
                                             : "";
                return {mark, (parser_.context ? problem + " " + parser_.context : problem) + hint};
            }
            default:
                return {mark_of(parser_.mark), problem};
        }
    }

    // Empty: the text has no such line.
    std::string_view line_of(Mark mark) const {
        std::string_view rest = text_;
        for (int line = 1; line < mark.line; ++line) {
            const size_t end = rest.find('\n');
            if (end == rest.npos) return {};
            rest.remove_prefix(end + 1);
        }
        return rest.substr(0, rest.find('\n'));
    }

    // Whether a tab stands there, behind nothing but blanks.
    bool is_indenting_tab(Mark mark) const {
        const std::string_view line = line_of(mark);
        const size_t column = static_cast<size_t>(mark.column) - 1;
        return column < line.size() && line[column] == '\t' && line.find_first_not_of(" \t") >= column;
    }

    std::string_view text_;
    Parser parser_;
    Document document_;
    std::vector<uint32_t> weights_;  // by value: it and all below it, aliases written out
    std::vector<uint32_t> pending_;  // items of the values that are open, innermost last
    std::vector<Open> open_;
    std::map<std::string, uint32_t> anchors_;  // a hash could be made to collide
    std::optional<Failure> failure_;
    bool begun_ = false;
};

Kind Node::kind() const { return document_->values_[index_].kind; }

Mark Node::mark() const { return document_->values_[index_].mark; }

std::string_view Node::text() const {
    const auto& value = document_->values_[index_];
    if (value.kind != Kind::scalar) return {};
    return std::string_view(document_->text_).substr(value.begin, value.length);
}

std::vector<Node> Node::items() const {
    std::vector<Node> items;
    const auto& value = document_->values_[index_];
    if (value.kind != Kind::sequence) return items;
    items.reserve(value.length);
    for (uint32_t i = 0; i < value.length; ++i) {
        items.push_back(Node(document_, document_->items_[value.begin + i]));
    }
    return items;
}

std::vector<std::pair<Node, Node>> Node::entries() const {
    std::vector<std::pair<Node, Node>> entries;
    const auto& value = document_->values_[index_];
    if (value.kind != Kind::mapping) return entries;
    entries.reserve(value.length / 2);
    for (uint32_t i = 0; i < value.length; i += 2) {
        entries.emplace_back(Node(document_, document_->items_[value.begin + i]),
                             Node(document_, document_->items_[value.begin + i + 1]));
    }
    return entries;
}

std::variant<Document, Failure> parse(std::string_view text) {
    if (text.size() > max_bytes) {
        return Failure{{}, "larger than " + std::to_string(max_bytes >> 20) + " MiB"};
    }
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // libyaml counts a byte order mark as a column
    if (has_many_tag_directives(text)) return Failure{{}, "%TAG directives mean nothing here: remove them"};
    return Composer(text).compose();
}

}  // namespace hairpin::yaml
