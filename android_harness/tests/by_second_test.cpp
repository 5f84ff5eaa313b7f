// A launch that lasts, by a clock that the runs themselves move: what each second's line says, when
// frames come, which are late, and which are skipped.
#include "by_second.hpp"

#include <numeric>

#include "check.hpp"
#include "launching.hpp"

using namespace launching;

namespace {

using runner::Second;
using runner::Sustained;

constexpr std::int64_t kMs = 1'000'000;

// A session whose runs take as long as they are told to, by a clock of its own.
class Clockwork : public runner::Session {
 public:
  explicit Clockwork(std::vector<std::int64_t> ms) : ms_(std::move(ms)) {}
  std::vector<TensorSpec> inputs() const override { return {}; }
  std::string precision() const override { return "fp32"; }
  std::int64_t threads() const override { return 1; }
  void feed(const Arrays&) override {}
  void run() override { spend(ms_[started.size() % ms_.size()] * kMs); }
  Outputs outputs() const override { return {}; }

  runner::Clocks clocks() {
    return {[this] { return now; }, [this] { return busy; },
            [this](std::int64_t ns) { now += ns + wakes_late; }};
  }

  Sustained go(std::int64_t for_ms, std::optional<std::int64_t> every_ms = std::nullopt) {
    std::optional<std::int64_t> every;
    if (every_ms) every = *every_ms * kMs;
    return runner::by_second(*this, {}, for_ms * kMs, every, clocks(),
                             [&](const Second& second) { seconds.push_back(second); });
  }

  std::int64_t now = 5'000;
  std::int64_t busy = 0;
  std::int64_t wakes_late = 0;
  std::vector<std::int64_t> started;  // in ms since the first clock
  std::vector<Second> seconds;

 private:
  void spend(std::int64_t ns) {
    started.push_back((now - 5'000) / kMs);
    now += ns;
    busy += ns;
  }

  std::vector<std::int64_t> ms_;
};

}  // namespace

TEST(by_second, seconds_follow_one_another_and_hold_every_run_once) {
  Clockwork work({300});
  const Sustained whole = work.go(2'000);
  CHECK_EQ(work.seconds.size(), 2U);
  CHECK_EQ(work.seconds[0].runs, 4);
  CHECK_EQ(work.seconds[0].wall_ns, 1'200 * kMs);
  CHECK_EQ(work.seconds[1].at_ns, 1'200 * kMs);
  CHECK_EQ(work.seconds[1].runs, 3);
  CHECK_EQ(whole.runs, 7);
  CHECK_EQ(whole.wall_ns, 2'100 * kMs);
  CHECK_EQ(whole.cpu_ns, 2'100 * kMs);
  CHECK(!work.seconds[0].khz.has_value());
}

TEST(by_second, a_second_tells_what_its_runs_come_to) {
  Clockwork work({30, 10, 20, 40, 900});
  work.go(1);
  CHECK_EQ(work.seconds.size(), 1U);
  CHECK_EQ(work.seconds[0].runs, 1);  // one run at least
  work.seconds.clear();
  work.started.clear();
  work.go(1'000);
  const Second& second = work.seconds.at(0);
  CHECK_EQ(second.runs, 5);
  CHECK_EQ(second.mean_ns, 200 * kMs);
  CHECK_EQ(second.median_ns, 30 * kMs);
  CHECK_EQ(second.p90_ns, 900 * kMs);
  CHECK_EQ(second.p99_ns, 900 * kMs);
  CHECK_EQ(second.min_ns, 10 * kMs);
  CHECK_EQ(second.max_ns, 900 * kMs);
  CHECK(second.ns == (std::vector<std::int64_t>{30 * kMs, 10 * kMs, 20 * kMs, 40 * kMs, 900 * kMs}));
}

TEST(by_second, of_many_runs_each_is_not_told_alone) {
  Clockwork work({1});
  const Sustained whole = work.go(1'500);
  CHECK_EQ(whole.runs, 1'500);
  CHECK(!work.seconds[0].ns.empty());
  Clockwork quick({0});
  quick.now = 0;
  runner::Clocks clocks = quick.clocks();
  clocks.wall = [&quick] { return quick.now += 100'000; };
  std::vector<Second> seconds;
  runner::by_second(quick, {}, 1'000 * kMs, std::nullopt, clocks,
                    [&](const Second& second) { seconds.push_back(second); });
  CHECK(seconds[0].runs > 1'000);
  CHECK(seconds[0].ns.empty());
  CHECK_EQ(seconds[0].median_ns, 100'000);
}

TEST(by_second, each_frame_is_waited_for) {
  Clockwork work({10});
  const Sustained whole = work.go(100, 33);
  CHECK(work.started == (std::vector<std::int64_t>{0, 33, 66, 99}));
  CHECK_EQ(whole.late, 0);
  CHECK_EQ(whole.skipped, 0);
  CHECK_EQ(whole.cpu_ns, 40 * kMs);
}

TEST(by_second, a_frame_that_came_meanwhile_is_late_and_starts_at_once) {
  Clockwork work({40});
  const Sustained whole = work.go(160, 33);
  // Frames 0, 1 (late), 2 (late), 3 (late); then none before 160 but the fourth, which came at 132.
  CHECK(work.started == (std::vector<std::int64_t>{0, 40, 80, 120}));
  CHECK_EQ(whole.runs, 4);
  CHECK_EQ(whole.late, 4);
  CHECK_EQ(whole.skipped, 0);
}

TEST(by_second, of_several_frames_that_came_the_newest_is_run) {
  Clockwork work({100, 10});
  const Sustained whole = work.go(230, 33);
  // While frame 0 runs, 1 to 3 come: 3 runs late, at 100. Frame 4 is waited for.
  CHECK(work.started == (std::vector<std::int64_t>{0, 100, 132}));
  CHECK_EQ(whole.runs, 3);
  CHECK_EQ(whole.skipped, 2 + 2);
  CHECK_EQ(whole.late, 3 + 3);
}

TEST(by_second, what_is_late_since_a_run_began_late_is_told_apart) {
  Clockwork work({32});
  work.wakes_late = 2 * kMs;
  Sustained whole = work.go(33 * 40, 33);
  CHECK(std::vector<std::int64_t>(work.started.begin(), work.started.begin() + 5) ==
        (std::vector<std::int64_t>{0, 35, 67, 99, 134}));
  CHECK_EQ(whole.late, 13);
  CHECK_EQ(whole.late_by_waking, 13);
  CHECK_EQ(work.seconds[0].late_by_waking + work.seconds[1].late_by_waking, 13);
  Clockwork slow({40, 10, 10});
  slow.wakes_late = 2 * kMs;
  whole = slow.go(990, 33);
  CHECK_EQ(whole.late, 10);
  CHECK_EQ(whole.late_by_waking, 0);
}

TEST(by_second, a_run_that_fails_ends_the_launch) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.for_seconds = 5;
  int left = 4;
  const runner::Engine engine{"1.0", [&](const Arguments&) {
                                return std::make_unique<FakeSession>(
                                    [&] {
                                      if (left-- == 0) throw runner::Refused("it broke");
                                    },
                                    std::vector<TensorSpec>{{"x", {1, 4}, "float32"}});
                              }};
  CHECK_EQ(check::refusal([&] { runner::launch_by_second(arguments, engine, [](const auto&) {}); }),
           "it broke");
}

TEST(by_second, a_launch_sends_its_seconds_before_the_rest) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.for_seconds = 0.001;
  arguments.every_ms = 1000;  // a single frame, however busy the machine is
  const runner::Engine engine{"1.0", [&](const Arguments&) {
                                return std::make_unique<FakeSession>(
                                    [] {}, std::vector<TensorSpec>{{"x", {1, 4}, "float32"}});
                              }};
  std::vector<std::string> lines;
  runner::launch_by_second(arguments, engine,
                           [&](const std::string& line) { lines.push_back(line); });
  CHECK_EQ(lines.size(), 8U);
  CHECK(starts_with(lines[2], R"({"type":"second","at_ns":0,"wall_ns":)"));
  CHECK(starts_with(lines[3], R"({"type":"cpu",)"));
  CHECK(starts_with(lines[4], R"({"type":"calibration",)"));
  CHECK(starts_with(lines[5], R"({"type":"sustained","runs":1,)"));
  CHECK(starts_with(lines[6], R"({"type":"output",)"));
  CHECK_EQ(lines[7], "{\"type\":\"done\",\"count\":1}\n");
}
