// One question under way: both families of its name, or its SRV records and then both families of each of their hosts.
#pragma once

#include <string>

#include "discovery/dns.h"
#include "discovery/known.h"
#include "discovery/srv_records.h"

namespace hairpin::discovery {

// Must stay where it is, and live as long as `dns` may call back. One thread.
class Lookup {
public:
    Lookup(Dns& dns, const Question& question);
    Lookup(const Lookup&) = delete;
    Lookup& operator=(const Lookup&) = delete;

    bool over() const { return pending_ == 0; }
    Reply take_reply() { return std::move(reply_); }

private:
    void read(const Message& message);
    void ask_addresses(const std::string& host, const SrvRecord& record);
    void add(const std::string& host, Family family, const SrvRecord& record, const Addresses& answer);

    Dns& dns_;
    Reply reply_;
    size_t pending_ = 0;  // answers
};

}  // namespace hairpin::discovery
