// The part of our table that is the same for every configuration: maps, sets, and the chains that ask them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/tcp_times.h"
#include "model/flow.h"
#include "model/ip.h"
#include "model/limits.h"
#include "model/path.h"

namespace hairpin::nft {

// Commands that declare the frame and empty it of all but the counters: run on a table of ours that forwards already,
// they leave live flows alone. `free_ports` are those that translated sources may be given.
std::string frame(PortRange free_ports);

// Commands that have arriving flows ask the map `exhausted`, and that spare them the asking, as the frame does.
std::string refuse_some();
std::string let_all_arrive();

// The name of an empty chain in the frame that tells its version: a table without it has maps and sets of another kind.
std::string frame_mark();

// The shortest for a service. At the end of it a silent connection is taken for one that was reset, see was_reset() in
// conntrack.cc.
inline constexpr std::chrono::minutes least_time_established{10};

// The content of a policy of timeouts for TCP: how long connections are remembered from their last packet on.
std::string tcp_timeouts(Family family, std::chrono::seconds established);

// The names of a map, set or chain in the frame.
std::string for_family(std::string_view name, Family family);  // "to" -> "to4"

// Counts the flows from each endpoint to each backend. nft(8) takes keys of five fields at most, so that one is the
// mark of two: the path that they took, and their protocol.
std::string accepted_set(Family family);
uint32_t accepted_mark(Path path, Protocol protocol);
std::optional<Path> path_marked(uint32_t mark);  // nothing: no mark of ours is so
Protocol protocol_marked(uint32_t mark);
// No counters: each element is a flow that `accepted_set` had no memory for.
std::string counted_once_set(Family family);
std::string bytes_set(Family family);  // counts the bytes of each endpoint; mark: the Direction they took
// Counts the flows of each endpoint that were refused; mark: the Refusal or, of those that met a limit, which one.
std::string refused_set(Family family);
std::optional<Limit> limit_marked(uint32_t mark);
// The chain to which those go who meet a limit.
std::string over_chain(Limit limit, Family family);

// As connection tracking numbers them.
enum class Direction : uint8_t { to_backends, to_clients };

// How many elements each of them takes. What comes then is served and not counted. The kernel sets memory for all of
// them aside, 2 MB for `most_counts`.
inline constexpr size_t most_counts = 196'607;
inline constexpr size_t most_byte_counts = 2 * most_counts;

}  // namespace hairpin::nft
