// What the kernel counts for this process and for cores; none where it doesn't say.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace runner {

// How long the threads of this process were ready but not running, summed.
std::optional<std::int64_t> waited_ns();

// How much time a hypervisor has taken from `cpus` since boot, summed.
std::optional<std::int64_t> steal_ns(const std::vector<int>& cpus);

// How much a counter went up, 0 if it went back; none if it is unknown.
std::optional<std::int64_t> since(std::optional<std::int64_t> before,
                                  std::optional<std::int64_t> after);

// The memory of this process, in MiB; none of what the system doesn't tell.
struct MemoryReading {
  std::optional<double> rss_mb;   // resident, libraries that others use too included
  std::optional<double> pss_mb;   // its share of that
  std::optional<double> peak_mb;  // the most that was resident so far
};

MemoryReading memory_now();

// The most memory that this process has had resident, in MiB.
std::optional<double> peak_memory_mb();

}  // namespace runner
