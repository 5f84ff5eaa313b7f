// The messages of PROTOCOL.md, field by field; it says what they mean.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "driver.hpp"
#include "session.hpp"
#include "usage.hpp"

namespace runner {

constexpr int kProtocol = 1;  // asymm_deploy.bench.protocol.PROTOCOL

struct Hello {
  std::string runner_version;
  std::string engine_version;
  std::string abi;
  std::int64_t pid;
};

struct Model {
  std::string sha256;
  std::vector<std::int64_t> input_shape;
  std::int64_t init_ns;
  std::optional<double> memory_mb;
  std::string precision;
  std::int64_t threads;
  std::string api;
};

struct Cpu {
  std::vector<std::int64_t> asked;
  std::optional<std::int64_t> before;
  std::optional<std::int64_t> after;
};

struct Calibration {
  double before_mac_per_s;
  double after_mac_per_s;
};

struct Samples {
  std::vector<std::int64_t> ns;
  std::int64_t wall_ns;
  std::int64_t cpu_ns;
  std::optional<std::int64_t> waited_ns;
  std::optional<std::int64_t> steal_ns;
};

// The runs between two moments, about a second apart; see --for-seconds.
struct Second {
  std::int64_t at_ns;
  std::int64_t wall_ns;
  std::int64_t runs;
  std::int64_t mean_ns;
  std::int64_t median_ns;
  std::int64_t p90_ns;
  std::int64_t p99_ns;
  std::int64_t min_ns;
  std::int64_t max_ns;
  std::int64_t cpu_ns;
  std::optional<std::int64_t> waited_ns;
  std::optional<std::int64_t> steal_ns;
  std::int64_t late;
  std::int64_t skipped;
  std::int64_t late_by_waking;
  std::optional<std::int64_t> core;
  std::optional<std::int64_t> khz;
  std::vector<std::int64_t> ns;  // empty, and null in the line, if there are too many
};

// The whole loop of them.
struct Sustained {
  std::int64_t runs;
  std::int64_t wall_ns;
  std::int64_t cpu_ns;
  std::optional<std::int64_t> waited_ns;
  std::optional<std::int64_t> steal_ns;
  std::int64_t late;
  std::int64_t skipped;
  std::int64_t late_by_waking;
};

// The runs of one of two models.
struct Turns {
  std::vector<std::int64_t> ns;
  std::vector<std::int64_t> cpu_ns;
  std::vector<std::int64_t> start_ns;
};

struct Pairs {
  Turns first;
  Turns second;
  std::int64_t wall_ns;
  std::int64_t cpu_ns;
  std::optional<std::int64_t> waited_ns;
  std::optional<std::int64_t> steal_ns;
};

// Of each operator over all watched runs, but the last: of each run.
struct OperatorTimes {
  std::vector<std::int64_t> least_ns;
  std::vector<std::int64_t> median_ns;
  std::vector<std::int64_t> gap_ns;
  std::vector<std::int64_t> watched_ns;
};

// The operators of a run, in its order; see --by-operator.
struct Operators {
  std::vector<NotedOperator> found;
  std::optional<OperatorTimes> times;
};

// Where a session that was asked for another back end than the CPU ran its operators.
struct Backends {
  std::string asked;
  std::string session;                            // its main one
  std::map<std::string, std::int64_t> operators;  // how many each ran
  std::vector<std::string> elsewhere_types;  // of those that ran on another than asked, the first
  std::vector<std::string> elsewhere_names;
  std::optional<std::string> loading;  // why its library could not be loaded
  std::optional<Driver> driver;        // of the back end asked for, if it ran any
};

// The memory behind each stage of a cold start.
struct StageMemory {
  MemoryReading engine;
  MemoryReading read;
  MemoryReading created;
  MemoryReading first;
  MemoryReading second;
};

// A cold start. The engine is part of this program: it was loaded with it.
struct Stages {
  std::int64_t read_ns;
  std::int64_t create_ns;
  std::int64_t first_ns;
  std::int64_t second_ns;
  std::int64_t read_cpu_ns;
  std::int64_t create_cpu_ns;
  std::int64_t first_cpu_ns;
  std::int64_t second_cpu_ns;
  std::int64_t wall_ns;
  std::int64_t cpu_ns;
  std::optional<std::int64_t> waited_ns;
  std::optional<std::int64_t> steal_ns;
  std::optional<std::int64_t> core;
  std::int64_t pages;
  std::optional<std::int64_t> resident;
  std::int64_t major_faults;
  std::optional<StageMemory> memory;
};

struct Output {
  std::string sha256;
  std::optional<std::map<std::string, std::string>> values;  // base64 by name
};

struct Answers {
  std::vector<std::string> names;
  std::vector<std::int64_t> sizes;
  std::int64_t count;
  std::int64_t cpu_ns;
};

struct Done {
  std::int64_t count;
};

struct Error {
  std::string reason;
};

std::string line(const Hello& message);
std::string line(const Model& message);
std::string line(const Cpu& message);
std::string line(const Calibration& message);
std::string line(const Samples& message);
std::string line(const Second& message);
std::string line(const Sustained& message);
std::string line(const Pairs& message);
std::string line(const Operators& message);
std::string line(const Backends& message);
std::string line(const Stages& message);
std::string line(const Output& message);
std::string line(const Answers& message);
std::string line(const Done& message);
std::string line(const Error& message);

}  // namespace runner
