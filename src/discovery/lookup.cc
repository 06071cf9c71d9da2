#include "discovery/lookup.h"

#include <algorithm>

namespace hairpin::discovery {
namespace {

// More is no list of servers that anybody keeps, and asking for them would be an attack on somebody.
constexpr size_t most_records = 256;

}  // namespace

Lookup::Lookup(Dns& dns, const Question& question) : dns_(dns) {
    if (!question.srv) {
        ask_addresses(question.name, {});
        return;
    }
    ++pending_;
    dns_.ask_servers(question.name, [this](const Message& message) {
        read(message);
        --pending_;
    });
}

void Lookup::read(const Message& message) {
    if (message.outcome != Addresses::Outcome::found) {
        reply_.heard = message.outcome == Addresses::Outcome::none;
        reply_.reason = message.reason;
        return;
    }
    const auto answer = parse_srv_answer(message.bytes);
    if (!answer) {
        reply_.heard = false;
        reply_.reason = "DNS: " + answer.error().message;
        return;
    }
    reply_.ttl = answer->ttl;
    if (answer->records.empty()) reply_.reason = "DNS knows no server of it";
    for (const SrvRecord& record : std::span(answer->records).first(std::min(most_records, answer->records.size()))) {
        ask_addresses(record.target, record);
    }
}

void Lookup::ask_addresses(const std::string& host, const SrvRecord& record) {
    pending_ += all_families.size();
    for (const Family family : all_families) {
        dns_.ask_addresses(host, family, [this, host, family, record](const Addresses& answer) {
            add(host, family, record, answer);
            --pending_;
        });
    }
}

void Lookup::add(const std::string& host, Family family, const SrvRecord& record, const Addresses& answer) {
    if (answer.outcome == Addresses::Outcome::unheard) reply_.unheard.emplace(host, family);
    if (answer.outcome != Addresses::Outcome::found) {
        // That nobody answers says more than that there is no IPv6.
        if (reply_.reason.empty() || answer.outcome == Addresses::Outcome::unheard) reply_.reason = answer.reason;
        return;
    }
    reply_.ttl = std::min(reply_.ttl, answer.ttl);
    for (const Ip& ip : answer.ips) {
        reply_.servers.push_back({host, ip, record.port, record.priority, record.weight});
    }
}

}  // namespace hairpin::discovery
