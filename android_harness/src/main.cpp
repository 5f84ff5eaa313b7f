// asymm-runner: pin, load, warm up, time, report. PROTOCOL.md describes its arguments and lines.

#include <unistd.h>

#include <cstdio>
#include <exception>

#include "answered.hpp"
#include "arguments.hpp"
#include "cold.hpp"
#include "cores.hpp"
#include "counted.hpp"
#include "launch.hpp"
#include "messages.hpp"
#include "refused.hpp"
#include "session.hpp"
#include "wire.hpp"

namespace {

constexpr int kGaveUp = 3;
constexpr int kFailed = 1;

int run(int argc, char** argv) {
  const runner::Wire wire;
  const auto send = [&](const std::string& line) { wire.send(line); };
  try {
    const runner::Arguments arguments = runner::parse_arguments({argv + 1, argv + argc});
    if (arguments.die_with) runner::die_with(*arguments.die_with);
    if (!arguments.cpus.empty()) runner::pin(arguments.cpus);
    const auto work = arguments.calibrate ? runner::calibrate
                      : arguments.counted ? runner::launch_counted
                      : !arguments.answers.empty() ? runner::launch_answers
                      : arguments.second  ? runner::launch_both
                      : arguments.by_operator ? runner::launch_by_operator
                      : arguments.cold        ? runner::launch_cold
                      : arguments.for_seconds ? runner::launch_by_second
                                              : runner::launch;
    work(arguments, runner::engine(), send);
    return 0;
  } catch (const runner::Refused& refused) {
    send(runner::line(runner::Error{refused.what()}));
    return kGaveUp;
  } catch (const std::exception& error) {
    send(runner::line(runner::Error{error.what()}));
    return kFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int code = kFailed;
  try {
    code = run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "asymm-runner: %s\n", error.what());
  }
  // The engine is not torn down: that takes time and serves no purpose.
  std::fflush(nullptr);
  _exit(code);
}
