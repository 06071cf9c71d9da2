// Version 2 PROXY headers: the signature and whatever the fuzzer makes of the rest.
#include <array>

#include "proxy_header_properties.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr auto signature =
        std::to_array<uint8_t>({0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a});
    std::vector<uint8_t> bytes(signature.begin(), signature.end());
    bytes.insert(bytes.end(), data, data + size);
    hairpin::check_proxy_header(bytes, hairpin::ProxyHeader::v2);
    hairpin::check_proxy_header({data, size}, hairpin::ProxyHeader::v2);
    return 0;
}
