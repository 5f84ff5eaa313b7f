// What the model runs on: the recorded input of an export, or what a seed makes.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "array.hpp"
#include "tensor_spec.hpp"

namespace runner {

// asymm_deploy.export.inputs.bench_inputs, bit for bit: uniform in [-1, 1), or 0 and 1 for integer
// types. Each input has its own SplitMix64 stream. Floating values are exact as float32.
Arrays bench_inputs(const std::vector<TensorSpec>& specs, std::uint64_t seed);

// The values of each input in the order of `specs`, of its type, with nothing between them. Throws
// Refused unless the file has exactly as many bytes.
Arrays read_recorded(const std::string& path, const std::vector<TensorSpec>& specs);

// A file with the same for several samples, one after the other, read one at a time.
class RecordedSamples {
 public:
  // Throws Refused if the file can't be read, or doesn't hold whole samples.
  RecordedSamples(const std::string& path, const std::vector<TensorSpec>& specs);

  std::uint64_t count() const { return count_; }
  // The next sample; call it `count` times. Throws Refused if the file has changed.
  Arrays next();

 private:
  std::vector<TensorSpec> specs_;
  std::ifstream file_;
  std::uint64_t count_ = 0;
};

}  // namespace runner
