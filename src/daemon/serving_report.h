// Tells of what is served: what operators order, what can be followed and what not. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "daemon/administration.h"
#include "engines/engine.h"
#include "model/event.h"
#include "model/topology.h"

namespace hairpin {

// `who` ordered that, and this is what the backend is now.
Event order_event(Order order, const ServiceBackend& name, Duty now, const std::string& who);
// An order of an earlier daemon's time still counts. Precondition: the backend is not ready.
Event kept_order_event(const ServiceBackend& name, Duty now);

// `what` is "a change of names", and `done` what became of it.
Event outcome_event(std::string_view what, const Result<>& done);

Event network_event(const Topology& now);
Event gap_event(std::string_view engine, const Gap& gap);
// Which changes of the configuration the running gateway cannot follow, and what to do; empty: there are none.
std::string needs_restart(const Settings& running, const Settings& configured);
Event restart_event(std::string message);

// What is wrong of services just here and now: in words, and of which service.
using Wrongs = std::map<std::string, std::string>;
// An event for each that was not so before, and for each that is so no more.
std::vector<Event> wrong_events(const Wrongs& before, const Wrongs& now);
// Likewise, where it is the checks of its backends that do not come as they should.
std::vector<Event> wrong_check_events(const Wrongs& before, const Wrongs& now);

}  // namespace hairpin
