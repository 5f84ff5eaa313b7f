#include "launch.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "backends_used.hpp"
#include "by_second.hpp"
#include "calibration.hpp"
#include "clock.hpp"
#include "cores.hpp"
#include "loaded.hpp"
#include "messages.hpp"
#include "operator_values.hpp"
#include "refused.hpp"
#include "turns.hpp"
#include "usage.hpp"
#include "watched.hpp"

namespace runner {
namespace {

Cpu cpu(const Arguments& arguments, std::optional<std::int64_t> before,
        std::optional<std::int64_t> after) {
  return {{arguments.cpus.begin(), arguments.cpus.end()}, before, after};
}

Samples timed(Session& session, std::int64_t runs) {
  Samples samples{};
  samples.ns.resize(static_cast<std::size_t>(runs));
  const std::int64_t cpu_start = thread_ns();
  const std::int64_t wall_start = wall_ns();
  for (std::int64_t& sample : samples.ns) {
    const std::int64_t start = wall_ns();
    session.run();
    sample = wall_ns() - start;
  }
  samples.wall_ns = wall_ns() - wall_start;
  samples.cpu_ns = thread_ns() - cpu_start;
  return samples;
}

// Sends the messages of a timed loop, the last of them made by `loop`.
template <typename Loop>
void time_loop(const Arguments& arguments, const Send& send, const Loop& loop) {
  const double rate_before = calibrated_mac_per_s();
  const auto core_before = core_now();
  const auto waited = waited_ns();
  const auto stolen = steal_ns(arguments.cpus);
  auto timed = loop();
  timed.waited_ns = since(waited, waited_ns());
  timed.steal_ns = since(stolen, steal_ns(arguments.cpus));
  const auto core_after = core_now();
  const double rate_after = calibrated_mac_per_s();
  send(line(cpu(arguments, core_before, core_after)));
  send(line(Calibration{rate_before, rate_after}));
  send(line(timed));
}

// The same launch with the second model for the first.
Arguments of_second(Arguments arguments) {
  static_cast<Asked&>(arguments) = *arguments.second;
  return arguments;
}

// Loads one model of two, and says of it what is wrong with it.
Loaded load_one(const std::string& which, const Arguments& arguments, const Engine& engine) {
  try {
    return load(arguments, engine);
  } catch (const Refused& refused) {
    throw Refused("the " + which + " model: " + refused.what());
  }
}

}  // namespace

Hello hello(const Engine& engine) {
  utsname system{};
  uname(&system);
  // Of several builds of one engine, those beside the usual one say so.
  const std::string build = RUNNER_BUILD;
  return {RUNNER_VERSION, engine.version + (build.empty() ? "" : " " + build), system.machine, getpid()};
}

void need(const Engine& engine) {
  if (!engine.load) {
    throw Refused(
        "this runner was built without MNN and can only calibrate; build it with MNN: "
        "asymm-deploy runner build --mnn-root FOLDER");
  }
}

void time_runs(const Arguments& arguments, Session& session, const Send& send) {
  time_loop(arguments, send, [&] { return timed(session, arguments.runs); });
}

void launch(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  const Loaded model = load(arguments, engine);
  for (std::int64_t run = 0; run < arguments.warmup; ++run) model.session->run();
  send(line(described(model, arguments)));
  time_runs(arguments, *model.session, send);
  if (arguments.backend != "cpu") send(line(backends_used(*model.session, arguments, engine)));
  send(line(computed(model, arguments)));
  send(line(Done{arguments.runs}));
}

void launch_both(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  const Arguments other = of_second(arguments);
  const Loaded first = load_one("first", arguments, engine);
  const Loaded second = load_one("second", other, engine);
  const auto turns = [&](std::int64_t most, std::int64_t least) {
    return in_turns(*first.session, *second.session, arguments.second_starts,
                    {most, least, arguments.most_seconds});
  };
  turns(arguments.warmup, 1);
  send(line(described(first, arguments)));
  send(line(described(second, other)));
  std::size_t count = 0;
  time_loop(arguments, send, [&] {
    Pairs pairs = turns(arguments.runs, arguments.least_runs);
    count = pairs.first.ns.size();
    return pairs;
  });
  send(line(computed(first, arguments)));
  send(line(computed(second, other)));
  send(line(Done{static_cast<std::int64_t>(count)}));
}

void launch_by_operator(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  const Loaded model = load(arguments, engine);
  for (std::int64_t run = 0; run < arguments.warmup; ++run) model.session->run();
  Watched watched(*model.session, arguments.runs);
  send(line(described(model, arguments)));
  time_loop(arguments, send, [&] { return watched.in_turns(); });
  const Output output = computed(model, arguments);
  Operators operators = watched.operators();
  const Notes notes = write_operator_values(arguments, *model.session);
  const std::size_t count = std::min(notes.found().size(), operators.found.size());
  for (std::size_t at = 0; at < count; ++at) operators.found[at].kept = notes.found()[at].kept;
  send(line(operators));
  send(line(output));
  send(line(Done{arguments.runs}));
}

void launch_by_second(const Arguments& arguments, const Engine& engine, const Send& send) {
  const auto ns = [](double value, double unit) {
    return std::max<std::int64_t>(1, std::llround(value * unit));
  };
  send(line(hello(engine)));
  need(engine);
  const Loaded model = load(arguments, engine);
  for (std::int64_t run = 0; run < arguments.warmup; ++run) model.session->run();
  send(line(described(model, arguments)));
  std::optional<std::int64_t> every_ns;
  if (arguments.every_ms) every_ns = ns(*arguments.every_ms, 1e6);
  std::int64_t count = 0;
  time_loop(arguments, send, [&] {
    const auto tell = [&](const Second& second) { send(line(second)); };
    const Sustained whole =
        by_second(*model.session, arguments.cpus, ns(*arguments.for_seconds, 1e9), every_ns,
                  system_clocks(), tell);
    count = whole.runs;
    return whole;
  });
  send(line(computed(model, arguments)));
  send(line(Done{count}));
}

void calibrate(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  const auto core_before = core_now();
  const double rate_before = calibrated_mac_per_s();
  const double rate_after = calibrated_mac_per_s();
  const auto core_after = core_now();
  send(line(cpu(arguments, core_before, core_after)));
  send(line(Calibration{rate_before, rate_after}));
  send(line(Done{0}));
}

}  // namespace runner
