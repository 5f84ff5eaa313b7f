#include "by_second.hpp"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <fstream>
#include <numeric>
#include <string>

#include "clock.hpp"
#include "cores.hpp"
#include "usage.hpp"

namespace runner {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// The clock of a core; none where the system doesn't tell.
std::optional<std::int64_t> khz_of(const std::vector<int>& cpus) {
  if (cpus.empty()) return std::nullopt;
  std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpus.front()) +
                     "/cpufreq/scaling_cur_freq");
  std::int64_t khz = 0;
  if (!(file >> khz) || khz <= 0) return std::nullopt;
  return khz;
}

// What some runs come to. Sorts them, into `ranked`.
void summarise(const std::vector<std::int64_t>& samples, std::size_t count,
               std::vector<std::int64_t>& ranked, Second& second) {
  const auto end = samples.begin() + static_cast<std::ptrdiff_t>(count);
  ranked.assign(samples.begin(), end);
  std::sort(ranked.begin(), ranked.end());
  const auto ranking = [&](std::size_t percent) { return ranked[(percent * count + 99) / 100 - 1]; };
  second.runs = static_cast<std::int64_t>(count);
  second.mean_ns = std::accumulate(ranked.begin(), ranked.end(), std::int64_t{0}) / second.runs;
  second.median_ns = ranking(50);
  second.p90_ns = ranking(90);
  second.p99_ns = ranking(99);
  second.min_ns = ranked.front();
  second.max_ns = ranked.back();
  if (count <= kMostShown) second.ns.assign(samples.begin(), end);
}

}  // namespace

Clocks system_clocks() {
  return {wall_ns, thread_ns, [](std::int64_t ns) {
            const timespec pause{static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
            nanosleep(&pause, nullptr);  // a signal ends it early: whoever waits looks at the clock
          }};
}

Sustained by_second(Session& session, const std::vector<int>& cpus, std::int64_t for_ns,
                    std::optional<std::int64_t> every_ns, const Clocks& clocks,
                    const std::function<void(const Second&)>& tell) {
  // Touched: nothing is allocated in the loop but between runs.
  std::vector<std::int64_t> samples(kMostKept);
  std::vector<std::int64_t> ranked(kMostKept);
  auto waited = waited_ns();
  auto stolen = steal_ns(cpus);
  Sustained whole{};
  Second second{};
  std::size_t count = 0;
  std::int64_t frame = 0;
  // When a run would have ended if this one and those before it had each begun as soon as it could.
  std::int64_t prompt_end = 0;
  const std::int64_t start = clocks.wall();
  for (bool over = false; !over;) {
    if (every_ns) {
      const std::int64_t due = start + frame * *every_ns;
      for (std::int64_t left = due - clocks.wall(); left > 0; left = due - clocks.wall()) {
        clocks.sleep(left);
      }
    }
    const std::int64_t cpu_before = clocks.thread();
    const std::int64_t began = clocks.wall();
    session.run();
    const std::int64_t ended = clocks.wall();
    second.cpu_ns += clocks.thread() - cpu_before;
    samples[count++] = ended - began;
    const std::int64_t now = ended - start;
    std::int64_t next_at = now;
    if (every_ns) {
      prompt_end = std::max(prompt_end, frame * *every_ns) + ended - began;
      ++frame;
      const auto come_by = [&](std::int64_t end) {
        return std::max<std::int64_t>(0, (end + *every_ns - 1) / *every_ns - frame);
      };
      const std::int64_t missed = come_by(now);
      second.late += missed;
      second.late_by_waking += missed - come_by(prompt_end);
      second.skipped += std::max<std::int64_t>(0, missed - 1);
      frame += std::max<std::int64_t>(0, missed - 1);
      next_at = std::max(now, frame * *every_ns);
    }
    over = next_at >= for_ns;
    if (over || now / kSecond != second.at_ns / kSecond || count == kMostKept) {
      const auto waited_now = waited_ns();
      const auto stolen_now = steal_ns(cpus);
      second.wall_ns = now - second.at_ns;
      second.waited_ns = since(waited, waited_now);
      second.steal_ns = since(stolen, stolen_now);
      second.core = core_now();
      second.khz = khz_of(cpus);
      summarise(samples, count, ranked, second);
      tell(second);
      whole.runs += second.runs;
      whole.cpu_ns += second.cpu_ns;
      whole.late += second.late;
      whole.skipped += second.skipped;
      whole.late_by_waking += second.late_by_waking;
      waited = waited_now;
      stolen = stolen_now;
      second = Second{};
      second.at_ns = now;
      count = 0;
    }
  }
  whole.wall_ns = clocks.wall() - start;
  return whole;
}

}  // namespace runner
