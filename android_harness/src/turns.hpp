// Two models that run in turns, run by run.
#pragma once

#include <cstdint>

#include "messages.hpp"
#include "session.hpp"

namespace runner {

// How long a loop goes on: for `most` pairs, or until it has taken `most_seconds`, but for `least`
// pairs at least.
struct Bounds {
  std::int64_t most;
  std::int64_t least;
  double most_seconds;
};

// Times pairs of a run of one and a run of the other. What the system counts is not filled in.
// Throws Refused where a run fails, and says of which model.
Pairs in_turns(Session& first, Session& second, bool second_starts, const Bounds& bounds);

}  // namespace runner
