// What lives in processes that serve no more, after upgrades: each tells it in a file beside the API's socket, for the
// one that serves.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "engines/engine.h"

namespace hairpin {

// By service and backend; of those alone that have any.
using FlowCounts = std::map<std::pair<std::string, Endpoint>, uint64_t>;
Result<FlowCounts> count_flows(Engine& engine);
uint64_t count_active(Engine& engine);  // of all together, and of what is still on its way to a backend

// All are counted; of each process so many are listed, too, at most.
inline constexpr size_t most_listed = 1000;
struct Living {
    FlowCounts counts;
    std::vector<LiveFlow> listed;

    uint64_t total() const;
};

// What lives in this process, as it was last looked at.
class LivingFlows {
public:
    // It takes the engine system calls for each. `retired`: nothing begins here any more; then it is done only where
    // something may have changed, or all can be listed.
    Result<> look(Engine& engine, bool retired);
    const Living& living() const { return living_; }

private:
    Living living_;
    std::optional<uint64_t> active_;  // when each that was active was counted, and none could follow
};

class RetiredFlows {
public:
    RetiredFlows() = default;                                                  // tells nobody, knows of nobody
    explicit RetiredFlows(std::string socket) : socket_(std::move(socket)) {}  // the API's; empty: likewise
    RetiredFlows(RetiredFlows&&) = default;
    RetiredFlows& operator=(RetiredFlows&&) = default;
    ~RetiredFlows() { take_back(); }

    // This lives here, until the next call, or until the process ends, however it does.
    Result<> tell(const Living& living);
    void take_back();

    // What all processes have told. Removes what those have left that were killed.
    Living read() const;
    bool any() const;  // such process that lives

private:
    std::string file_of_ours() const;

    std::string socket_;
    std::string told_;
    Fd held_;  // while it is open, the file counts
};

}  // namespace hairpin
