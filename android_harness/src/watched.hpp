// Plain runs of a session, and in turns with them runs whose operators are timed.
#pragma once

#include <cstdint>
#include <vector>

#include "messages.hpp"
#include "session.hpp"

namespace runner {

class Watched {
 public:
  // Runs the session once to see what its operators are. Throws Refused if `runs` are too many to
  // keep their times in memory.
  Watched(Session& session, std::int64_t runs);

  // Each turn is a plain run that isn't timed, one that is, and one that is watched: a plain run
  // has to find the caches as a plain run leaves them. Nothing is allocated in the loop.
  Samples in_turns();

  // What was found out in the turns.
  Operators operators() const;

 private:
  Session& session_;
  std::size_t runs_;
  Notes notes_;
  // Of each run: its start, the start and end of each operator, its end.
  std::vector<std::int64_t> marks_;
  std::size_t row_;  // how many a run has
};

}  // namespace runner
