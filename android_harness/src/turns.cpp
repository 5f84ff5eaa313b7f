#include "turns.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "clock.hpp"
#include "refused.hpp"

namespace runner {
namespace {

void resize(Turns& turns, std::size_t size) {
  for (auto* each : {&turns.ns, &turns.cpu_ns, &turns.start_ns}) each->resize(size);
}

// One run, with the wall clock nearest to it; returns when it ended.
std::int64_t timed(Session& session, std::size_t at, std::int64_t wall_start, Turns& turns) {
  const std::int64_t cpu_before = thread_ns();
  const std::int64_t start = wall_ns();
  session.run();
  const std::int64_t end = wall_ns();
  turns.cpu_ns[at] = thread_ns() - cpu_before;
  turns.ns[at] = end - start;
  turns.start_ns[at] = start - wall_start;
  return end;
}

}  // namespace

Pairs in_turns(Session& first, Session& second, bool second_starts, const Bounds& bounds) {
  constexpr double kLongest = 1e9;  // so that its ns fit into 64 bits
  const auto most_ns = static_cast<std::int64_t>(std::min(bounds.most_seconds, kLongest) * 1e9);
  const auto most = static_cast<std::size_t>(bounds.most);
  const auto least = static_cast<std::size_t>(bounds.least);
  Pairs pairs{};
  // The memory of all the runs, touched: nothing is allocated in the loop.
  resize(pairs.first, most);
  resize(pairs.second, most);
  Session& early = second_starts ? second : first;
  Session& late = second_starts ? first : second;
  Turns& of_early = second_starts ? pairs.second : pairs.first;
  Turns& of_late = second_starts ? pairs.first : pairs.second;
  const Session* running = &early;
  std::size_t count = 0;
  const std::int64_t cpu_start = thread_ns();
  const std::int64_t wall_start = wall_ns();
  try {
    while (count < most) {
      running = &early;
      timed(early, count, wall_start, of_early);
      running = &late;
      const std::int64_t end = timed(late, count, wall_start, of_late);
      ++count;
      if (end - wall_start > most_ns && count >= least) break;
    }
  } catch (const Refused& refused) {
    const std::string which = running == &first ? "first" : "second";
    throw Refused("the " + which + " model: " + refused.what());
  }
  pairs.wall_ns = wall_ns() - wall_start;
  pairs.cpu_ns = thread_ns() - cpu_start;
  resize(pairs.first, count);
  resize(pairs.second, count);
  return pairs;
}

}  // namespace runner
