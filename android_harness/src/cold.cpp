#include "cold.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "clock.hpp"
#include "cores.hpp"
#include "loaded.hpp"
#include "messages.hpp"
#include "model_file.hpp"
#include "page_cache.hpp"
#include "refused.hpp"
#include "usage.hpp"

namespace runner {
namespace {

// How often this process waited for the disk to bring a page that it has mapped.
std::int64_t major_faults() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_majflt;
}

// Reads all of the file into memory, which is gone afterwards: the engine reads it by itself.
class Content {
 public:
  explicit Content(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail();
    const off_t end = lseek(file, 0, SEEK_END);
    std::size_t left = end > 0 ? static_cast<std::size_t>(end) : 0;
    bytes_.reset(new char[left]);  // not set to anything: that would be timed
    char* at = bytes_.get();
    ssize_t size = 1;
    for (lseek(file, 0, SEEK_SET); left > 0 && size > 0; left -= static_cast<std::size_t>(size)) {
      size = read(file, at, left);
      if (size < 0) break;
      at += size;
    }
    const int failure = errno;
    close(file);
    errno = failure;
    if (size < 0) fail();
  }

 private:
  [[noreturn]] static void fail() {
    throw Refused(std::string("can't read the model: ") + std::strerror(errno));
  }

  std::unique_ptr<char[]> bytes_;
};

// The model after two runs, and what each stage took.
Stages staged(const Arguments& arguments, const Engine& engine, Loaded& model) {
  Stages stages{};
  const bool reads = arguments.stage_memory;
  StageMemory memory;
  const FilePages pages = drop_from_cache(arguments.model);
  stages.pages = pages.whole;
  stages.resident = pages.resident;
  stages.core = core_now();
  const auto waited = waited_ns();
  const auto stolen = steal_ns(arguments.cpus);
  const std::int64_t faults = major_faults();
  if (reads) memory.engine = memory_now();
  const std::int64_t cpu_start = thread_ns();
  const std::int64_t wall_start = wall_ns();
  {
    const Content content(arguments.model);
    stages.read_ns = wall_ns() - wall_start;
    stages.read_cpu_ns = thread_ns() - cpu_start;
    if (reads) memory.read = memory_now();
  }
  std::int64_t cpu_before = thread_ns();
  std::int64_t start = wall_ns();
  model.session = engine.load(arguments);
  model.init_ns = stages.create_ns = wall_ns() - start;
  stages.create_cpu_ns = thread_ns() - cpu_before;
  if (reads) memory.created = memory_now();
  feed(model, arguments);
  cpu_before = thread_ns();
  start = wall_ns();
  model.session->run();
  stages.first_ns = wall_ns() - start;
  stages.first_cpu_ns = thread_ns() - cpu_before;
  if (reads) memory.first = memory_now();
  cpu_before = thread_ns();
  start = wall_ns();
  model.session->run();
  const std::int64_t end = wall_ns();
  const std::int64_t cpu_end = thread_ns();
  stages.second_ns = end - start;
  stages.second_cpu_ns = cpu_end - cpu_before;
  stages.wall_ns = end - wall_start;
  stages.cpu_ns = cpu_end - cpu_start;
  if (reads) memory.second = memory_now();
  stages.waited_ns = since(waited, waited_ns());
  stages.steal_ns = since(stolen, steal_ns(arguments.cpus));
  stages.major_faults = major_faults() - faults;
  if (reads) stages.memory = memory;
  return stages;
}

}  // namespace

void launch_cold(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  Loaded model;
  Stages stages;
  // Hashed in the end: reading it before would bring it into memory.
  model.sha256 = hash_after(arguments.model, [&] { stages = staged(arguments, engine, model); });
  for (std::int64_t run = 0; run < arguments.warmup; ++run) model.session->run();
  send(line(described(model, arguments)));
  send(line(stages));
  time_runs(arguments, *model.session, send);
  send(line(computed(model, arguments)));
  send(line(Done{arguments.runs}));
}

}  // namespace runner
