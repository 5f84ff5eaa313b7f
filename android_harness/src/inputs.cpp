#include "inputs.hpp"

#include <cmath>
#include <cstring>

namespace runner {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

// SplitMix64's finalizer (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// To the nearest float16, ties to even, for |value| <= 1: 11 bits, the last not below 2**-24.
float to_half(float value) {
  int exponent = 0;
  std::frexp(value, &exponent);  // |value| in [2**(exponent - 1), 2**exponent)
  const int least_bit = exponent - 11 < -24 ? -24 : exponent - 11;
  return std::ldexp(std::nearbyint(std::ldexp(value, -least_bit)), least_bit);
}

bool is_floating(const std::string& dtype) { return dtype.rfind("float", 0) == 0; }

}  // namespace

bool is_known_dtype(const std::string& dtype) {
  for (const char* known : {"float32", "float16", "float64", "int8", "int16", "int32", "int64",
                            "uint8", "uint16", "uint32", "uint64", "bool"}) {
    if (dtype == known) return true;
  }
  return false;
}

Arrays bench_inputs(const std::vector<TensorSpec>& specs, std::uint64_t seed) {
  Arrays arrays;
  for (std::size_t index = 0; index < specs.size(); ++index) {
    const TensorSpec& spec = specs[index];
    const std::uint64_t key = mix(seed + index * kGolden);
    std::vector<float> values(spec.count());
    for (std::size_t at = 0; at < values.size(); ++at) {
      const std::uint64_t bits = mix(key + (at + 1) * kGolden);
      if (is_floating(spec.dtype)) {
        // 24 bits, so this is exact.
        const float value = static_cast<float>(bits >> 40) * 0x1p-23F - 1.0F;
        values[at] = spec.dtype == "float16" ? to_half(value) : value;
      } else {
        values[at] = static_cast<float>(bits >> 63);
      }
    }
    arrays[spec.name] = std::move(values);
  }
  return arrays;
}

}  // namespace runner
