// Which cores this process runs on, and which process it dies with.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace runner {

// Lets this thread, and those it starts, run on `cpus` only, and reads that back. Throws Refused.
void pin(const std::vector<int>& cpus);

// The core that runs this call; none where the system doesn't say.
std::optional<std::int64_t> core_now();

// Has this process killed when `parent` dies, so that it never disturbs a later run. Throws Refused
// if `parent` did not start it.
void die_with(std::int64_t parent);

}  // namespace runner
