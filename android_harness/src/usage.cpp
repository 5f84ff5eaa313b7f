#include "usage.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace runner {

std::optional<std::int64_t> waited_ns() {
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(opendir("/proc/self/task"), closedir);
  if (!tasks) return std::nullopt;
  std::int64_t sum = 0;
  while (const dirent* task = readdir(tasks.get())) {
    if (task->d_name[0] == '.') continue;
    std::ifstream file(std::string("/proc/self/task/") + task->d_name + "/schedstat");
    std::int64_t running = 0;
    std::int64_t waited = 0;
    if (!(file >> running >> waited)) return std::nullopt;
    sum += waited;
  }
  return sum;
}

std::optional<std::int64_t> steal_ns(const std::vector<int>& cpus) {
  std::ifstream file("/proc/stat");
  std::int64_t ticks = 0;
  std::size_t found = 0;
  for (std::string row; std::getline(file, row);) {
    std::istringstream fields(row);
    std::string name;
    fields >> name;
    for (const int cpu : cpus) {
      if (name != "cpu" + std::to_string(cpu)) continue;
      std::int64_t count = 0;  // proc(5): user nice system idle iowait irq softirq steal
      for (int field = 0; field < 8; ++field) fields >> count;
      if (!fields) return std::nullopt;
      ticks += count;
      ++found;
    }
  }
  if (found != cpus.size()) return std::nullopt;
  return ticks * 1'000'000'000 / sysconf(_SC_CLK_TCK);
}

std::optional<std::int64_t> since(std::optional<std::int64_t> before,
                                  std::optional<std::int64_t> after) {
  if (!before || !after) return std::nullopt;
  return std::max<std::int64_t>(0, *after - *before);
}

namespace {

// A line of one of the system's files, which gives it in KiB.
std::optional<double> mb_in(const char* path, const std::string& wanted) {
  std::ifstream file(path);
  for (std::string name; file >> name;) {
    double kib = 0;
    if (name == wanted && file >> kib) return kib / 1024;
    file.ignore(1 << 20, '\n');
  }
  return std::nullopt;
}

}  // namespace

MemoryReading memory_now() {
  constexpr const char* kShared = "/proc/self/smaps_rollup";
  const std::optional<double> rss = mb_in(kShared, "Rss:");
  return {rss ? rss : mb_in("/proc/self/status", "VmRSS:"), mb_in(kShared, "Pss:"),
          peak_memory_mb()};
}

std::optional<double> peak_memory_mb() { return mb_in("/proc/self/status", "VmHWM:"); }

}  // namespace runner
