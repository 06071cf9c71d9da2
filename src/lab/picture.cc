#include <algorithm>
#include <map>
#include <set>

#include "lab/canvas.h"
#include "lab/report.h"

namespace hairpin::lab {
namespace {

constexpr std::string_view address_style = "36";
constexpr std::string_view label_style = "2";
constexpr size_t most_hosts = 8;  // inside; a picture of more is no help
constexpr size_t most_lines = 7;  // in a box
constexpr size_t cable = 12;      // columns between the gateway and the branches of the switch

struct Line {
    std::string text;
    std::string_view style;
};
using Lines = std::vector<Line>;

size_t width_of(const Lines& lines) {
    size_t width = 0;
    for (const Line& line : lines) width = std::max(width, lab::width_of(line.text));
    return width;
}

void shorten(Lines& lines) {
    if (lines.size() <= most_lines) return;
    const size_t more = lines.size() - (most_lines - 1);
    lines.resize(most_lines - 1);
    lines.push_back({"… " + std::to_string(more) + " more", label_style});
}

// What a service has at one address, gathered from the probes.
struct Served {
    std::set<uint16_t> ports;
    std::set<Protocol> protocols;

    void add(const Leg& leg) {
        ports.insert(leg.destination.port);
        protocols.insert(leg.protocol);
    }
    std::string str() const {  // "5432/tcp", "5000-5999/tcp+udp"
        std::string text = std::to_string(*ports.begin());
        if (ports.size() > 1) text += "-" + std::to_string(*ports.rbegin());
        std::string_view separator = "/";
        for (const Protocol protocol : protocols) {
            text.append(separator).append(name(protocol));
            separator = "+";
        }
        return text;
    }
};
using ServedAt = std::map<Ip, std::map<std::string, Served>>;

std::string spelled(const Ip& ip) { return ip.is_v4() ? ip.str() : "[" + ip.str() + "]"; }

Lines address_lines(const HostPlan& host, const Link& link) {
    Lines lines;
    for (const Address& own : host.addresses) {
        if (own.link == link.index) lines.push_back({own.ip.str(), address_style});
    }
    return lines;
}

// A client beyond a router has two addresses in one family: its own, then that of its router.
Lines client_lines(const HostPlan& client) {
    Lines lines;
    bool router = false;
    for (const Address& own : client.addresses) {
        lines.push_back({(router ? "via " : "") + own.ip.str(), router ? label_style : address_style});
        router = own.link == ext.index && own.prefix_length == (own.ip.is_v4() ? 32 : 128);
    }
    return lines;
}

// A box to the right of the gateway.
struct HostBox {
    std::string title;
    Lines lines;
    size_t top = 0;

    size_t height() const { return lines.size() + 2; }
    size_t plug() const { return top + 1; }  // the row its wire comes in: that of its first address
};

class Picture {
public:
    explicit Picture(const Plan& plan) : plan_(plan) {
        for (const Probe& probe : plan.probes) {
            for (const Expectation& answer : probe.answers) {
                backends_[answer.leg.destination.ip][probe.service].add(answer.leg);
                if (answer.path != direct) listens_[probe.asked.destination.ip][probe.service].add(probe.asked);
            }
        }
    }

    std::string str(bool colour) {
        describe();
        arrange();
        draw();
        return canvas_.str(colour);
    }

private:
    // What every box says.
    void describe() {
        size_t hidden = 0;
        for (size_t i = 1; i < plan_.hosts.size(); ++i) {
            const HostPlan& host = plan_.hosts[i];
            if (host.link() == inside.index) {
                if (inside_.size() < most_hosts) {
                    inside_.push_back({host.name, host_lines(host), 0});
                } else {
                    ++hidden;
                }
            } else if (host.link() == inside2.index) {
                routed_ = HostBox{host.name, address_lines(host, inside2), 0};
            }
        }
        if (hidden > 0) inside_.push_back({std::to_string(hidden) + " more hosts", {{"…", label_style}}, 0});
        client_ = client_lines(plan_.hosts[1]);
        left_ = address_lines(plan_.gateway(), ext);
        right_ = address_lines(plan_.gateway(), inside);
        right2_ = address_lines(plan_.gateway(), inside2);
        for (const auto& [ip, services] : listens_) {
            for (const auto& [service, served] : services) {
                services_.push_back({service + " " + spelled(ip) + ":" + served.str(), {}});
            }
        }
        for (const auto& [ip, services] : backends_) {
            if (runs_elsewhere(ip)) continue;
            for (const auto& [service, served] : services) {
                services_.push_back({service + " runs at " + spelled(ip) + ":" + served.str(), {}});
            }
        }
        for (Lines* lines : {&client_, &left_, &right_, &right2_, &services_}) shorten(*lines);
    }

    bool runs_elsewhere(const Ip& ip) const {
        return std::any_of(plan_.hosts.begin() + 1, plan_.hosts.end(),
                           [&](const HostPlan& host) { return host.holds(ip); });
    }

    Lines host_lines(const HostPlan& host) const {
        Lines lines;
        for (const Address& own : host.addresses) {
            lines.push_back({own.ip.str(), address_style});
            const auto services = backends_.find(own.ip);
            if (services == backends_.end()) continue;
            for (const auto& [service, served] : services->second) {
                lines.push_back({service + " " + served.str(), {}});
            }
        }
        shorten(lines);
        return lines;
    }

    // Where every box stands. The cables run in straight rows from the gateway, so its inside follows from them.
    void arrange() {
        size_t row = 0;
        for (HostBox& host : inside_) {
            host.top = row;
            row += host.height();
        }
        trunk_ = inside_.empty() ? 2 : std::max<size_t>(2, (inside_.front().plug() + inside_.back().plug()) / 2);
        if (inside_.size() == 1) inside_.front().top = trunk_ - 1;
        if (routed_) {
            routed_->top = std::max(row, trunk_ + std::max<size_t>(right_.size(), 1) + (right_.empty() ? 0 : 1));
            row = routed_->top + routed_->height();
        }
        services_row_ = trunk_ + left_.size() + (left_.empty() ? 0 : 1);
        const size_t right_end = routed_ ? routed_->plug() + right2_.size() : trunk_ + right_.size();
        bottom_ = std::max({services_row_ + services_.size(), right_end, std::max<size_t>(row, 1) - 1});

        client_width_ = client_.empty() ? 0 : std::max<size_t>(width_of(client_) + 2, 10);
        gateway_column_ = client_.empty() ? 0 : client_width_ + 2 + 7;
        const size_t left = std::max(width_of(left_), width_of(services_));
        const size_t right = std::max({width_of(right_), width_of(right2_), size_t{4}});
        gateway_width_ = left + 4 + right + 2;
        gateway_right_ = gateway_column_ + gateway_width_ + 1;
        hosts_column_ = gateway_right_ + cable + 4;
    }

    void draw() {
        canvas_.box(0, gateway_column_, bottom_ - 1, gateway_width_, "gateway");
        if (!client_.empty()) {
            canvas_.box(trunk_ - 1, 0, client_.size(), client_width_, "client");
            write(trunk_, 2, client_);
            wire(trunk_, client_width_ + 1, gateway_column_);
            canvas_.text(trunk_ - 1, gateway_column_ + 2, plan_.topology.link(ext.index)->name, label_style);
        }
        write(trunk_, gateway_column_ + 2, left_);
        write(services_row_, gateway_column_ + 2, services_);
        if (!inside_.empty()) {
            plug(trunk_, inside, right_);
            draw_switch();
        }
        if (routed_) {
            plug(routed_->plug(), inside2, right2_);
            wire(routed_->plug(), gateway_right_, hosts_column_);
            draw(*routed_);
        }
    }

    // A cable's end at the right side of the gateway: its name above its addresses.
    void plug(size_t row, const Link& link, const Lines& addresses) {
        canvas_.text(row - 1, gateway_right_ - 1 - link.name.size(), link.name, label_style);
        for (size_t i = 0; i < addresses.size(); ++i) {
            const Line& line = addresses[i];
            canvas_.text(row + i, gateway_right_ - 1 - lab::width_of(line.text), line.text, line.style);
        }
    }

    void draw_switch() {
        const size_t branch = gateway_right_ + cable;
        const size_t first = std::min(trunk_, inside_.front().plug());
        const size_t last = std::max(trunk_, inside_.back().plug());
        wire(trunk_, gateway_right_, branch);
        canvas_.text(trunk_, gateway_right_ + 3, " switch ", label_style);
        if (first != last) canvas_.vertical(branch, first, last);
        for (const HostBox& host : inside_) {
            draw(host);
            wire(host.plug(), branch, hosts_column_);
        }
        for (size_t row = first; row <= last; ++row) joint(row, branch, row == first, row == last);
    }

    void joint(size_t row, size_t column, bool first, bool last) {
        const bool left = row == trunk_;
        const bool right = std::ranges::any_of(inside_, [&](const HostBox& host) { return host.plug() == row; });
        if (!left && !right) return;
        std::string_view character = left && right ? "┼" : left ? "┤" : "├";
        if (first && last)
            character = "─";
        else if (first)
            character = left ? "┬" : "╭";
        else if (last)
            character = left ? "┴" : "╰";
        canvas_.text(row, column, character, label_style);
    }

    void wire(size_t row, size_t from, size_t to) {
        canvas_.horizontal(row, from, to);
        canvas_.text(row, from, "├", label_style);
        canvas_.text(row, to, "┤", label_style);
    }

    void draw(const HostBox& host) {
        size_t width = std::max(lab::width_of(host.title) + 3, width_of(host.lines) + 2);
        for (const HostBox& other : inside_) width = std::max(width, width_of(other.lines) + 2);
        if (routed_) width = std::max(width, width_of(routed_->lines) + 2);
        canvas_.box(host.top, hosts_column_, host.lines.size(), width, host.title);
        write(host.plug(), hosts_column_ + 2, host.lines);
        canvas_.text(host.plug(), hosts_column_, "┤", label_style);
    }

    void write(size_t row, size_t column, const Lines& lines) {
        for (const Line& line : lines) canvas_.text(row++, column, line.text, line.style);
    }

    const Plan& plan_;
    ServedAt backends_;
    ServedAt listens_;
    std::vector<HostBox> inside_;
    std::optional<HostBox> routed_;
    Lines client_, left_, right_, right2_, services_;
    size_t trunk_ = 0;  // the row of the cables to the client and to the switch
    size_t services_row_ = 0;
    size_t bottom_ = 0;  // of the gateway
    size_t client_width_ = 0;
    size_t gateway_column_ = 0;
    size_t gateway_width_ = 0;
    size_t gateway_right_ = 0;
    size_t hosts_column_ = 0;
    Canvas canvas_;
};

}  // namespace

std::string picture(const Plan& plan, bool colour) { return Picture(plan).str(colour); }

}  // namespace hairpin::lab
