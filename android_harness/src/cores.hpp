// Where this process runs, and whom it dies with.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace runner {

// Let this thread, and those it starts, run on `cpus` only, and read that back. Throws Refused.
void pin(const std::vector<int>& cpus);

// The core that runs this very call; none where the system doesn't tell.
std::optional<std::int64_t> core_now();

// Have this process killed when `parent` dies, so that it never disturbs a later run. Throws
// Refused where that is not the process that started it.
void die_with(std::int64_t parent);

}  // namespace runner
