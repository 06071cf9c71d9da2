// Addresses for names of backends where nobody asks DNS: in a lab, and where a flow is explained. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/service.h"

namespace hairpin::lab {

// One made-up host for each name, beside the backends that are written out: of the family in which the first service
// with that name listens; of an SRV record, on port 8080.
Answers stand_ins(std::span<const Service> services);

// "10.0.1.2 stands for app.lan: it is made up, ..." for each of them.
std::vector<std::string> notes_on(const Answers& stand_ins);

}  // namespace hairpin::lab
