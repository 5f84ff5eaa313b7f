#include "cores.hpp"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>

#include "refused.hpp"

namespace runner {
namespace {

// More bits than any kernel has: it refuses to fill in fewer than it has.
constexpr int kBits = 65536;

struct Free {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, Free>;

CpuSet empty_set() {
  CpuSet set(CPU_ALLOC(kBits));
  CPU_ZERO_S(CPU_ALLOC_SIZE(kBits), set.get());
  return set;
}

}  // namespace

void pin(const std::vector<int>& cpus) {
  const std::size_t size = CPU_ALLOC_SIZE(kBits);
  const CpuSet wanted = empty_set();
  std::string listed;
  for (const int cpu : cpus) {
    CPU_SET_S(static_cast<std::size_t>(cpu), size, wanted.get());
    listed += (listed.empty() ? "" : ", ") + std::to_string(cpu);
  }
  if (sched_setaffinity(0, size, wanted.get()) != 0) {
    throw Refused("can't pin to core " + listed + ": " + std::strerror(errno));
  }
  const CpuSet found = empty_set();
  if (sched_getaffinity(0, size, found.get()) != 0) {
    throw Refused("can't read back the pin to core " + listed + ": " + std::strerror(errno));
  }
  if (!CPU_EQUAL_S(size, wanted.get(), found.get())) {
    throw Refused("can't pin to core " + listed + ": the system allows only part of them");
  }
}

std::optional<std::int64_t> core_now() {
  const int core = sched_getcpu();
  if (core < 0) return std::nullopt;
  return core;
}

void die_with(std::int64_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) throw Refused("the program that started the runner is gone");
}

}  // namespace runner
