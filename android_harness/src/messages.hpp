// The messages of PROTOCOL.md, field by field; it says what they mean.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "session.hpp"

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
std::string line(const Pairs& message);
std::string line(const Operators& message);
std::string line(const Backends& message);
std::string line(const Output& message);
std::string line(const Answers& message);
std::string line(const Done& message);
std::string line(const Error& message);

}  // namespace runner
