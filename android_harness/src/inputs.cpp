#include "inputs.hpp"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "refused.hpp"

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

struct Opened {
  std::ifstream file;
  std::uint64_t bytes = 0;
  std::uint64_t of_one = 0;  // of the inputs once
};

Opened open_recorded(const std::string& path, const std::vector<TensorSpec>& specs) {
  if (specs.empty()) {
    throw Refused("--inputs-file needs an --input for each input of the model");
  }
  Opened opened{std::ifstream(path, std::ios::binary | std::ios::ate)};
  if (!opened.file) throw Refused(std::string("can't read the inputs file: ") + std::strerror(errno));
  opened.bytes = static_cast<std::uint64_t>(opened.file.tellg());
  for (const TensorSpec& spec : specs) opened.of_one += spec.count() * size_of(spec.dtype);
  opened.file.seekg(0);
  return opened;
}

[[noreturn]] void not_those(const Opened& opened, const std::string& relation) {
  throw Refused("the inputs file has " + std::to_string(opened.bytes) + " bytes, " + relation +
                std::to_string(opened.of_one) + " of the inputs");
}

}  // namespace

Arrays bench_inputs(const std::vector<TensorSpec>& specs, std::uint64_t seed) {
  Arrays arrays;
  for (std::size_t index = 0; index < specs.size(); ++index) {
    const TensorSpec& spec = specs[index];
    const std::uint64_t key = mix(seed + index * kGolden);
    const bool floating = is_floating(spec.dtype);
    Array array{floating ? "float32" : "uint8", {}};
    array.bytes.resize(spec.count() * size_of(array.dtype));
    for (std::size_t at = 0; at < spec.count(); ++at) {
      const std::uint64_t bits = mix(key + (at + 1) * kGolden);
      if (floating) {
        // 24 bits, so this is exact.
        float value = static_cast<float>(bits >> 40) * 0x1p-23F - 1.0F;
        if (spec.dtype == "float16") value = to_half(value);
        std::memcpy(array.bytes.data() + at * sizeof value, &value, sizeof value);
      } else {
        array.bytes[at] = static_cast<unsigned char>(bits >> 63);
      }
    }
    arrays[spec.name] = std::move(array);
  }
  return arrays;
}

Arrays read_recorded(const std::string& path, const std::vector<TensorSpec>& specs) {
  const Opened opened = open_recorded(path, specs);
  if (opened.bytes != opened.of_one) not_those(opened, "not the ");
  RecordedSamples samples(path, specs);
  return samples.next();
}

RecordedSamples::RecordedSamples(const std::string& path, const std::vector<TensorSpec>& specs)
    : specs_(specs) {
  Opened opened = open_recorded(path, specs);
  if (opened.of_one == 0) {
    if (opened.bytes != 0) not_those(opened, "not the ");
    count_ = 1;
  } else {
    count_ = opened.bytes / opened.of_one;
    if (count_ == 0 || opened.bytes % opened.of_one != 0) not_those(opened, "not a multiple of the ");
  }
  file_ = std::move(opened.file);
}

Arrays RecordedSamples::next() {
  Arrays arrays;
  for (const TensorSpec& spec : specs_) {
    Array array{spec.dtype, std::vector<unsigned char>(spec.count() * size_of(spec.dtype))};
    file_.read(reinterpret_cast<char*>(array.bytes.data()),
               static_cast<std::streamsize>(array.bytes.size()));
    arrays[spec.name] = std::move(array);
  }
  if (!file_) throw Refused("can't read the inputs file: it changed");
  return arrays;
}

}  // namespace runner
