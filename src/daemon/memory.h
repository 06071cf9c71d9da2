// A daemon that runs short of memory goes on.
#pragma once

#include <functional>
#include <string_view>

namespace hairpin {

// A change for which there is no memory does not happen, and is logged as refused. That is no reason to end what is
// served.
void within_memory(std::string_view what, const std::function<void()>& work);

// A configuration of many services takes several times the memory that it leaves in use.
void give_back_memory();

}  // namespace hairpin
