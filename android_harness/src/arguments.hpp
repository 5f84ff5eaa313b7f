// The command line, as asymm_deploy.bench.wire.request writes it.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tensor_spec.hpp"

namespace runner {

// A model, and what is asked for about it alone.
struct Asked {
  std::string model;
  std::vector<TensorSpec> inputs;  // empty: the model's own
  std::string inputs_file;         // the values of all inputs; empty: the seed's
  std::string api = "session";     // or "module", which has to be told of inputs and outputs
  std::vector<std::string> outputs;
};

struct Arguments : Asked {
  std::string engine;
  std::string precision;
  std::string backend = "cpu";  // where the engine is to run operators
  std::int64_t runs = 0;
  std::int64_t warmup = 0;
  std::int64_t threads = 0;
  std::vector<int> cpus;  // cores to pin to; empty for none
  std::uint64_t input_seed = 0;
  bool output_values = false;
  bool by_operator = false;
  bool cold = false;          // the stages of a cold start before all else
  bool stage_memory = false;  // and the memory behind each
  std::optional<double> for_seconds;  // run for as long, and tell of each second
  std::optional<double> every_ms;     // a run for each frame that comes
  std::optional<std::int64_t> die_with;
  std::optional<Asked> second;  // where it is given, both models are timed in turns, and:
  bool second_starts = false;   // each pair
  double most_seconds = std::numeric_limits<double>::infinity();
  std::int64_t least_runs = 1;
  // Only this runner has these:
  bool calibrate = false;  // no model: only calibrate
  bool counted = false;    // marks around each run for an emulator, nothing timed
  std::string input_file;
  std::string output_file;
  std::string answers;          // a file to write: the outputs of each sample in `inputs_file`
  std::string operator_values;  // a file to write
  std::string operator_inputs;  // a file to read for it
};

// Throws Refused, worded as Python's argparse words it where argparse has such an error.
Arguments parse_arguments(const std::vector<std::string>& given);

}  // namespace runner
