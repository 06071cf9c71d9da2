// What an operator sees after a change that the gateway has made.
#pragma once

#include <string_view>

#include "cli/api_client.h"

namespace hairpin {

// Prints what is wrong now, of this kind or of any; nothing where nothing is, or where that cannot be asked any more.
void show_problems(const ApiClient& api, std::string_view kind = {});

}  // namespace hairpin
