// Clocks, in ns.
#pragma once

#include <cstdint>
#include <ctime>

namespace runner {

inline std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// NTP adjusts the rate of CLOCK_MONOTONIC by up to 0.05 %, but leaves the raw clock alone.
inline std::int64_t wall_ns() { return clock_ns(CLOCK_MONOTONIC_RAW); }

// Processor time of this thread.
inline std::int64_t thread_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace runner
