// The one input that timing uses: asymm_deploy.export.inputs.bench_inputs, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tensor_spec.hpp"

namespace runner {

// Values by the input's name, row-major. Every type's values are exact in float.
using Arrays = std::map<std::string, std::vector<float>>;

bool is_known_dtype(const std::string& dtype);

// Uniform in [-1, 1), or 0 and 1 where not floating. Input i is its own stream of SplitMix64.
Arrays bench_inputs(const std::vector<TensorSpec>& specs, std::uint64_t seed);

}  // namespace runner
