// Version 1 PROXY headers: "PROXY " and whatever the fuzzer makes of the rest.
#include <string_view>

#include "proxy_header_properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr std::string_view greeting = "PROXY ";
    std::vector<uint8_t> bytes(greeting.begin(), greeting.end());
    bytes.insert(bytes.end(), data, data + size);
    hairpin::check_proxy_header(bytes, hairpin::ProxyHeader::v1);
    hairpin::check_proxy_header({data, size}, hairpin::ProxyHeader::v1);
    return 0;
}
