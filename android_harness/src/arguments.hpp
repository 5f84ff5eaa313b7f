// The command line, as asymm_deploy.bench.wire.request writes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor_spec.hpp"

namespace runner {

struct Arguments {
  std::string model;
  std::string engine;
  std::string precision;
  std::int64_t runs = 0;
  std::int64_t warmup = 0;
  std::int64_t threads = 0;
  std::vector<int> cpus;  // pinned to; none if told not to
  std::uint64_t input_seed = 0;
  std::vector<TensorSpec> inputs;  // the model's own where empty
  bool output_values = false;
  std::optional<std::int64_t> die_with;
  // Beyond the protocol's own:
  bool calibrate = false;  // no model: calibrate, and nothing else
  std::string input_file;
  std::string output_file;
};

// Throws Refused, with the words of Python's argparse where it has any.
Arguments parse_arguments(const std::vector<std::string>& given);

}  // namespace runner
