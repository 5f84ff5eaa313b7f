// What the kernel counts of this process and of its cores; none where it doesn't tell.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace runner {

// How long this process' threads were ready but not running, summed.
std::optional<std::int64_t> waited_ns();

// The time that a hypervisor has taken from `cpus` since boot.
std::optional<std::int64_t> steal_ns(const std::vector<int>& cpus);

// The most memory that this program has had resident, in 2**20 bytes.
std::optional<double> peak_memory_mb();

}  // namespace runner
