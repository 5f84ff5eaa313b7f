// The input that timing uses: asymm_deploy.export.inputs.bench_inputs, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor_spec.hpp"

namespace runner {

// Values by the input's name, row-major. Whatever the type, they are exact in float.
using Arrays = std::map<std::string, std::vector<float>>;

bool is_known_dtype(const std::string& dtype);

// Uniform in [-1, 1); 0 or 1 for integer types. Each input has its own SplitMix64 stream.
Arrays bench_inputs(const std::vector<TensorSpec>& specs, std::uint64_t seed);

}  // namespace runner
