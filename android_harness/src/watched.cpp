#include "watched.hpp"

#include <algorithm>
#include <string>

#include "clock.hpp"
#include "refused.hpp"

namespace runner {
namespace {

constexpr std::size_t kMostTimes = std::size_t{1} << 22;  // kept in memory at most

}  // namespace

Watched::Watched(Session& session, std::int64_t runs)
    : session_(session), runs_(static_cast<std::size_t>(runs)) {
  session.run_by_operator({[&](const Operator& seen) { notes_.before(seen); },
                           [&](const Operator& seen) { notes_.after(seen); }});
  const std::size_t count = notes_.found().size();
  if (count == 0) throw Refused("MNN runs no operator in this model: there is nothing to time");
  const std::size_t most = kMostTimes / count;
  if (runs_ > most) {
    throw Refused("argument --runs: at most " + std::to_string(most) +
                  " by operator, of which the model has " + std::to_string(count));
  }
  row_ = 2 * count + 2;
  marks_.resize(runs_ * row_);
}

Samples Watched::in_turns() {
  Samples samples{};
  samples.ns.resize(runs_);
  std::int64_t* at = marks_.data();
  std::int64_t* end = at;
  const auto tick = [&](const Operator&) {
    if (at == end) throw Refused("MNN ran more operators than in the run before");
    *at++ = wall_ns();
  };
  const Watch watch{tick, tick};
  const std::int64_t cpu_start = thread_ns();
  const std::int64_t wall_start = wall_ns();
  for (std::int64_t& sample : samples.ns) {
    session_.run();
    const std::int64_t start = wall_ns();
    session_.run();
    sample = wall_ns() - start;
    end = at + row_ - 1;
    *at++ = wall_ns();
    session_.run_by_operator(watch);
    if (at != end) throw Refused("MNN ran fewer operators than in the run before");
    *at++ = wall_ns();
  }
  samples.wall_ns = wall_ns() - wall_start;
  samples.cpu_ns = thread_ns() - cpu_start;
  return samples;
}

Operators Watched::operators() const {
  OperatorTimes times;
  std::vector<std::int64_t> between(runs_);
  for (std::size_t mark = 1; mark < row_; ++mark) {
    for (std::size_t run = 0; run < runs_; ++run) {
      const std::int64_t* of_run = &marks_[run * row_];
      between[run] = of_run[mark] - of_run[mark - 1];
    }
    const auto middle = between.begin() + static_cast<std::ptrdiff_t>((runs_ - 1) / 2);
    std::nth_element(between.begin(), middle, between.end());
    const std::int64_t least = *std::min_element(between.begin(), middle + 1);
    if (mark % 2 == 1) {
      times.gap_ns.push_back(least);
    } else {
      times.least_ns.push_back(least);
      times.median_ns.push_back(*middle);
    }
  }
  for (std::size_t run = 0; run < runs_; ++run) {
    times.watched_ns.push_back(marks_[(run + 1) * row_ - 1] - marks_[run * row_]);
  }
  return {notes_.found(), times};
}

}  // namespace runner
