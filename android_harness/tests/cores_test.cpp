// Pinning either happens or is refused; what the kernel counts is read, or said to be unknown.
#include "cores.hpp"

#include <sched.h>
#include <unistd.h>

#include <thread>

#include "calibration.hpp"
#include "check.hpp"
#include "usage.hpp"

namespace {

// Affinity is a thread's: in one of its own a test leaves the others' alone.
void aside(const std::function<void()>& body) { std::thread(body).join(); }

int an_allowed_core() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  int core = 0;
  while (!CPU_ISSET(static_cast<std::size_t>(core), &set)) ++core;
  return core;
}

}  // namespace

TEST(cores, a_pinned_thread_is_on_its_core) {
  const int core = an_allowed_core();
  aside([core] {
    runner::pin({core});
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    CHECK_EQ(CPU_COUNT(&set), 1);
    const auto now = runner::core_now();
    CHECK(!now || *now == core);
  });
}

TEST(cores, a_core_that_is_not_there_is_refused) {
  aside([] {
    const auto before = an_allowed_core();
    CHECK_EQ(check::refusal([] { runner::pin({4095}); }),
             "can't pin to core 4095: Invalid argument");
    CHECK_EQ(an_allowed_core(), before);
  });
}

TEST(cores, a_pin_to_some_of_the_cores_asked_for_is_refused) {
  const int core = an_allowed_core();
  aside([core] {
    CHECK_EQ(check::refusal([core] { runner::pin({core, 4095}); }),
             "can't pin to core " + std::to_string(core) +
                 ", 4095: the system allows only part of them");
  });
}

TEST(cores, whoever_is_not_the_parent_is_gone) {
  CHECK_EQ(check::refusal([] { runner::die_with(getpid()); }),
           "the program that started the runner is gone");
}

TEST(cores, the_kernels_counts_are_sane_where_there_are_any) {
  const auto waited = runner::waited_ns();
  CHECK(!waited || *waited >= 0);
  const auto memory = runner::peak_memory_mb();
  CHECK(!memory || (*memory > 0.5 && *memory < 10000));
  CHECK(!runner::steal_ns({4095}));
}

TEST(cores, the_calibration_is_a_rate) {
  const double rate = runner::calibrated_mac_per_s();
  CHECK(rate > 1e5 && rate < 1e13);
}
