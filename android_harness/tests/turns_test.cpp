// Two models in turns: who runs when, what each run is told to have taken, and of which model an
// error is.
#include "turns.hpp"

#include <cstdlib>
#include <ctime>
#include <new>
#include <numeric>

#include "check.hpp"
#include "launching.hpp"
#include "refused.hpp"

using namespace launching;

namespace {

std::size_t allocations = 0;

}  // namespace

// Not inlined: GCC 12 takes the pair of malloc and delete that it sees then for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* made = std::malloc(size)) return made;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* made) noexcept { std::free(made); }
[[gnu::noinline]] void operator delete(void* made, std::size_t) noexcept { std::free(made); }

namespace {

using runner::Pairs;
using runner::Refused;
using runner::Turns;

constexpr double kForever = 1e300;

// Only tells that it runs.
class Told : public runner::Session {
 public:
  explicit Told(std::function<void()> running) : running_(std::move(running)) {}
  std::vector<TensorSpec> inputs() const override { return {}; }
  std::string precision() const override { return "fp32"; }
  std::int64_t threads() const override { return 1; }
  void feed(const Arrays&) override {}
  void run() override { running_(); }
  Outputs outputs() const override { return {}; }

 private:
  std::function<void()> running_;
};

// Two sessions that write down their names as they run.
struct Two {
  std::string log;
  Told first{[this] { log += 'a'; }};
  Told second{[this] { log += 'b'; }};
};

void sleep_ms(long ms) {
  const timespec time{0, ms * 1'000'000};
  nanosleep(&time, nullptr);
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

// An engine whose models, in the order in which they are loaded, write down their names; `failing`
// names a model that fails in a run of its own.
Engine engine(std::string& log, char failing = 0, int after = 0) {
  return {"1.0", [&log, failing, after, name = 'a'](const Arguments&) mutable {
            const auto running = [&log, failing, name, left = after]() mutable {
              log += name;
              if (name == failing && left-- == 0) throw Refused("it broke");
            };
            ++name;
            return std::make_unique<FakeSession>(running,
                                                 std::vector<TensorSpec>{{"x", {1, 4}, "float32"}});
          }};
}

Arguments both(const Folder& folder) {
  std::ofstream(folder.at("other")) << "";
  Arguments arguments = asked(folder);
  arguments.second.emplace();
  arguments.second->model = folder.at("other");
  return arguments;
}

std::vector<std::string> sent_of_both(const Arguments& arguments, const Engine& engine) {
  std::vector<std::string> lines;
  runner::launch_both(arguments, engine, [&](const std::string& line) { lines.push_back(line); });
  return lines;
}

std::string refused(const Arguments& arguments, const Engine& engine) {
  return check::refusal([&] { sent_of_both(arguments, engine); });
}

}  // namespace

TEST(turns, each_pair_is_a_run_of_one_and_a_run_of_the_other) {
  Two two;
  const Pairs pairs = runner::in_turns(two.first, two.second, false, {3, 1, kForever});
  CHECK_EQ(two.log, "ababab");
  for (const Turns* turns : {&pairs.first, &pairs.second}) {
    CHECK_EQ(turns->ns.size(), 3U);
    CHECK_EQ(turns->cpu_ns.size(), 3U);
    CHECK_EQ(turns->start_ns.size(), 3U);
  }
}

TEST(turns, the_second_one_may_start_and_each_keeps_its_own_runs) {
  std::string log;
  Told first([&] { log += 'a'; });
  Told second([&] {
    log += 'b';
    sleep_ms(3);
  });
  const Pairs pairs = runner::in_turns(first, second, true, {2, 1, kForever});
  CHECK_EQ(log, "baba");
  CHECK(pairs.second.ns[0] >= 3'000'000);
  CHECK(pairs.second.ns[1] >= 3'000'000);
  CHECK(pairs.first.start_ns[0] >= pairs.second.start_ns[0] + pairs.second.ns[0]);
  CHECK(pairs.second.start_ns[1] >= pairs.first.start_ns[0] + pairs.first.ns[0]);
  CHECK(pairs.first.start_ns[1] >= pairs.second.start_ns[1] + pairs.second.ns[1]);
}

TEST(turns, who_sleeps_takes_time_but_no_processor_time) {
  Told first([] { sleep_ms(20); });
  Told second([] {
    volatile std::uint64_t made = 0;
    for (std::uint64_t at = 0; at < 3'000'000; ++at) made = made + at;
  });
  const Pairs pairs = runner::in_turns(first, second, false, {2, 1, kForever});
  CHECK(sum(pairs.first.ns) >= 40'000'000);
  CHECK(sum(pairs.first.cpu_ns) < 20'000'000);
  CHECK(sum(pairs.second.cpu_ns) > 0);
  CHECK(sum(pairs.second.cpu_ns) <= pairs.cpu_ns);
  CHECK(sum(pairs.first.ns) + sum(pairs.second.ns) <= pairs.wall_ns);
  CHECK(pairs.first.start_ns[0] >= 0);
}

TEST(turns, it_ends_early_but_only_after_a_whole_pair_and_the_least_of_them) {
  Two two;
  const Pairs three = runner::in_turns(two.first, two.second, true, {1000, 3, 1e-9});
  CHECK_EQ(three.first.ns.size(), 3U);
  CHECK_EQ(three.second.start_ns.size(), 3U);
  CHECK_EQ(two.log, "bababa");
  two.log.clear();
  CHECK_EQ(runner::in_turns(two.first, two.second, false, {2, 5, 1e-9}).second.ns.size(), 2U);
  CHECK_EQ(two.log, "abab");
  two.log.clear();
  CHECK(runner::in_turns(two.first, two.second, false, {0, 1, 1e-9}).first.ns.empty());
  CHECK_EQ(two.log, "");
}

TEST(turns, nothing_is_allocated_from_the_first_run_to_the_last) {
  std::size_t before = 0;
  std::size_t after = 0;
  Told first([&] { before = before == 0 ? allocations : before; });
  Told second([&] { after = allocations; });
  runner::in_turns(first, second, false, {100, 1, kForever});
  CHECK(before > 0);
  CHECK_EQ(after, before);
}

TEST(turns, a_run_that_fails_says_of_which_model) {
  for (const bool second_starts : {false, true}) {
    Two two;
    Told failing([&] { throw Refused("it broke"); });
    const runner::Bounds bounds{3, 1, kForever};
    CHECK_EQ(check::refusal([&] { runner::in_turns(failing, two.second, second_starts, bounds); }),
             "the first model: it broke");
    CHECK_EQ(check::refusal([&] { runner::in_turns(two.first, failing, second_starts, bounds); }),
             "the second model: it broke");
  }
}

TEST(turns, a_launch_of_two_sends_a_model_and_an_output_of_each) {
  const Folder folder;
  std::string log;
  Arguments arguments = both(folder);
  arguments.output_values = true;
  arguments.second->inputs = {{"x", {4}, "uint8"}};
  arguments.second->inputs_file = folder.at("input");
  arguments.second->api = "module";
  std::ofstream(folder.at("input"), std::ios::binary) << std::string("\x01\x02\x03\xff");
  const auto lines = sent_of_both(arguments, engine(log));
  CHECK_EQ(lines.size(), 9U);
  CHECK(starts_with(lines[0], R"({"type":"hello",)"));
  CHECK(starts_with(lines[1], R"({"type":"model","sha256":"ba7816bf8f01cfea)"));
  CHECK(lines[1].find(R"("input_shape":[1,4])") != std::string::npos);
  CHECK(lines[1].find(R"("api":"session")") != std::string::npos);
  CHECK(starts_with(lines[2], R"({"type":"model","sha256":"e3b0c44298fc1c14)"));
  CHECK(lines[2].find(R"("input_shape":[4])") != std::string::npos);
  CHECK(lines[2].find(R"("api":"module")") != std::string::npos);
  CHECK(starts_with(lines[3], R"({"type":"cpu",)"));
  CHECK(starts_with(lines[4], R"({"type":"calibration",)"));
  CHECK(starts_with(lines[5], R"({"type":"pairs","first":{"ns":[)"));
  CHECK(starts_with(lines[6], R"({"type":"output","sha256":")"));
  CHECK(lines[6].find(R"("Sum":"AICCQw==")") == std::string::npos);
  CHECK(starts_with(lines[7], R"({"type":"output","sha256":")"));
  CHECK(lines[7].find(R"("Sum":"AICCQw==")") != std::string::npos);  // 261
  CHECK_EQ(lines[8], "{\"type\":\"done\",\"count\":3}\n");
  CHECK_EQ(log, "ababababab");  // two pairs to warm up, three pairs
}

TEST(turns, the_warm_up_ends_early_too) {
  const Folder folder;
  std::string log;
  Arguments arguments = both(folder);
  arguments.warmup = 100;
  arguments.runs = 100;
  arguments.second_starts = true;
  arguments.most_seconds = 1e-9;
  arguments.least_runs = 2;
  const auto lines = sent_of_both(arguments, engine(log));
  CHECK_EQ(log, "bababa");
  CHECK_EQ(lines.back(), "{\"type\":\"done\",\"count\":2}\n");
}

TEST(turns, what_a_model_can_not_do_is_said_of_it) {
  const Folder folder;
  const Arguments arguments = both(folder);
  std::string log;
  CHECK_EQ(refused(arguments, engine(log, 'a')), "the first model: it broke");
  CHECK_EQ(log, "a");
  CHECK_EQ(refused(arguments, engine(log, 'b')), "the second model: it broke");
  CHECK_EQ(refused(arguments, engine(log, 'b', 4)), "the second model: it broke");
  Arguments gone = arguments;
  gone.second->model = folder.at("nothing");
  CHECK_EQ(refused(gone, engine(log)),
           "the second model: can't read the model: No such file or directory");
  gone = arguments;
  gone.model = folder.at("nothing");
  CHECK_EQ(refused(gone, engine(log)),
           "the first model: can't read the model: No such file or directory");
  Arguments other = arguments;
  other.second->inputs = {{"y", {4}, "float32"}};
  CHECK_EQ(refused(other, engine(log)),
           "the second model: the model's inputs are {'x': (1, 4)}, not {'y': (4,)}");
  CHECK(starts_with(refused(arguments, {"none", nullptr}), "this runner was built without MNN"));
}
