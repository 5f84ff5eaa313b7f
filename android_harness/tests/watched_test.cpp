// Operators that are timed: what runs when, what each is told to have taken, and what is refused.
#include "watched.hpp"

#include <time.h>

#include <cstdlib>

#include "check.hpp"
#include "launching.hpp"
#include "refused.hpp"

using namespace launching;

namespace {

using runner::Operator;
using runner::Samples;
using runner::Shape;
using runner::Watched;

void pause_ms(long ms) {
  const timespec time{0, ms * 1'000'000};
  nanosleep(&time, nullptr);
}

class Seen : public Operator {
 public:
  explicit Seen(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }
  std::string type() const override { return "Fake"; }
  double flops_m() const override { return 0.5; }
  std::vector<Shape> shapes() const override { return {{1, 4}}; }
  std::vector<float> values(std::size_t) const override { return {}; }
  bool put(std::size_t, const std::vector<float>&) const override { return true; }

 private:
  std::string name_;
};

// Its operators take 2 ms and none, with 4 ms before them and 6 after; a plain run takes 1.
class Slow : public runner::Session {
 public:
  std::string log;
  int operators = 2;

  std::vector<TensorSpec> inputs() const override { return {}; }
  std::string precision() const override { return "fp32"; }
  std::int64_t threads() const override { return 1; }
  void feed(const Arrays&) override {}
  void run() override {
    log += 'p';
    pause_ms(1);
  }
  void run_by_operator(const runner::Watch& watch) override {
    log += 'w';
    pause_ms(4);
    for (int at = 0; at < operators; ++at) {
      watch.before(at == 0 ? first_ : second_);
      if (at == 0) pause_ms(2);
      watch.after(at == 0 ? first_ : second_);
    }
    pause_ms(6);
  }
  Outputs outputs() const override { return {}; }

 private:
  Seen first_{"first"};
  Seen second_{"second"};
};

}  // namespace

TEST(watched, each_turn_is_a_plain_run_in_the_caches_of_one_and_a_watched_run) {
  Slow session;
  Watched watched(session, 2);
  CHECK_EQ(session.log, "w");
  const Samples samples = watched.in_turns();
  CHECK_EQ(session.log, "wppwppw");
  CHECK_EQ(samples.ns.size(), 2U);
  CHECK(samples.ns[0] >= 1'000'000 && samples.ns[1] >= 1'000'000);
  CHECK(samples.wall_ns >= 2 * (1 + 1 + 4 + 2 + 6) * 1'000'000);
  CHECK(samples.cpu_ns < samples.wall_ns);
}

TEST(watched, an_operator_takes_what_passes_between_the_readings_around_it) {
  Slow session;
  Watched watched(session, 3);
  watched.in_turns();
  const runner::Operators told = watched.operators();
  CHECK_EQ(told.found.size(), 2U);
  CHECK_EQ(told.found[1].name, "second");
  CHECK_EQ(told.found[1].type, "Fake");
  CHECK_EQ(told.found[1].flops_m, 0.5);
  CHECK(told.found[1].shapes == std::vector<Shape>({{1, 4}}));
  const runner::OperatorTimes& times = told.times.value();
  CHECK_EQ(times.least_ns.size(), 2U);
  CHECK(times.least_ns[0] >= 2'000'000);
  CHECK(times.median_ns[0] >= times.least_ns[0]);
  CHECK(times.least_ns[1] < 1'000'000);
  CHECK_EQ(times.gap_ns.size(), 3U);
  CHECK(times.gap_ns[0] >= 4'000'000);
  CHECK(times.gap_ns[1] < 1'000'000);
  CHECK(times.gap_ns[2] >= 6'000'000);
  CHECK_EQ(times.watched_ns.size(), 3U);
  for (const std::int64_t watched_ns : times.watched_ns) CHECK(watched_ns >= 12'000'000);
}

TEST(watched, a_run_of_other_operators_than_the_first_one_ends_it) {
  Slow session;
  Watched watched(session, 1);
  session.operators = 1;
  CHECK_EQ(check::refusal([&] { watched.in_turns(); }),
           "MNN ran fewer operators than in the run before");
  Watched again(session, 1);
  session.operators = 2;
  CHECK_EQ(check::refusal([&] { again.in_turns(); }),
           "MNN ran more operators than in the run before");
}

TEST(watched, what_can_not_be_kept_or_timed_is_refused) {
  Slow session;
  CHECK_EQ(check::refusal([&] { Watched(session, 1'000'000'000); }),
           "argument --runs: at most 2097152 by operator, of which the model has 2");
  session.operators = 0;
  CHECK_EQ(check::refusal([&] { Watched(session, 1); }),
           "MNN runs no operator in this model: there is nothing to time");
}

TEST(watched, a_launch_sends_its_operators_behind_its_samples) {
  const Folder folder;
  std::string types;
  const Engine engine{"1.0", [](const Arguments&) { return std::make_unique<Slow>(); }};
  runner::launch_by_operator(asked(folder), engine, [&](const std::string& line) {
    const std::size_t from = std::string("{\"type\":\"").size();
    types += line.substr(from, line.find('"', from) - from) + " ";
  });
  CHECK_EQ(types, "hello model cpu calibration samples operators output done ");
}
