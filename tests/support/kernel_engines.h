// For what only engines that translate packets do: each of them, alone or at each place.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "support/places.h"
#include "support/test_lab.h"

namespace hairpin {

// Those that send from a client's own address.
inline std::vector<std::string> kernel_engine_names() {
    std::vector<std::string> names = engine_names();
    std::erase_if(names, [](const std::string& engine) { return !abilities_of(engine).foreign_source; });
    return names;
}

struct EnginePlace : Place {
    std::string engine;
};
inline std::string name_of_engine_place(const testing::TestParamInfo<EnginePlace>& info) {
    return info.param.engine + "_" + info.param.name;
}

inline std::vector<EnginePlace> on_kernel_engines(std::initializer_list<Place> places) {
    std::vector<EnginePlace> all;
    for (const std::string& engine : kernel_engine_names()) {
        for (const Place& place : places) all.push_back({place, engine});
    }
    return all;
}

}  // namespace hairpin
