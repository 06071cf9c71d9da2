// Tells what becomes of names of backends.
#pragma once

#include <map>
#include <vector>

#include "discovery/known.h"
#include "model/event.h"

namespace hairpin {

// An event for each name that stands for something else than before, or that no longer can be resolved, or can again.
// About one that is new only where there is no answer. Pure.
std::vector<Event> name_events(const std::map<Question, discovery::Known>& before,
                               const std::map<Question, discovery::Known>& now);

// "the name app.lan cannot be resolved: no DNS server answers; ..."
std::string trouble_text(const Question& question, const discovery::Known& known);

}  // namespace hairpin
