// A launch that lasts: run after run, or a run for each frame, told of second by second.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "messages.hpp"
#include "session.hpp"

namespace runner {

// Runs of one line: memory for them is there before the loop. With more, the line ends early.
constexpr std::size_t kMostKept = std::size_t{1} << 18;
// Of a second with more runs, the line has what they come to, and not each.
constexpr std::size_t kMostShown = 1000;

// What the loop lives by; the tests have others.
struct Clocks {
  std::function<std::int64_t()> wall;
  std::function<std::int64_t()> thread;
  std::function<void(std::int64_t ns)> sleep;
};

// The system's own.
Clocks system_clocks();

// Runs until `for_ns` are over, once at least, and gives `tell` a line for each second, between
// runs. With `every_ns`, frame k comes at k times that; a run takes the newest frame that has come,
// and while it takes too long the next one starts at once, and older frames are skipped. Nothing is
// allocated or written within a run. What the system counts over the whole loop is not filled in.
Sustained by_second(Session& session, const std::vector<int>& cpus, std::int64_t for_ns,
                    std::optional<std::int64_t> every_ns, const Clocks& clocks,
                    const std::function<void(const Second&)>& tell);

}  // namespace runner
