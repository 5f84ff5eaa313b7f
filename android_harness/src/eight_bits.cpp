#include "eight_bits.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace runner {
namespace {

constexpr double kFits = 1e-2;  // of a step: how far a value may be from what its number stands for

// Where the elements of a tensor lie, if `pack` channels lie together; 1 is the plain order.
std::vector<std::size_t> places(const Shape& shape, std::size_t pack) {
  const auto axis = [&](std::size_t at) {
    return at < shape.size() ? static_cast<std::size_t>(shape[at]) : std::size_t{1};
  };
  const std::size_t number = axis(0);
  const std::size_t channels = axis(1);
  std::size_t plane = 1;
  for (std::size_t at = 2; at < shape.size(); ++at) plane *= axis(at);
  std::vector<std::size_t> found;
  for (std::size_t image = 0; image < number; ++image) {
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const std::size_t outer = pack == 1 ? image * channels + channel : channel / pack * number + image;
      for (std::size_t at = 0; at < plane; ++at) {
        found.push_back((outer * plane + at) * pack + channel % pack);
      }
    }
  }
  return found;
}

// value = step * number + zero
struct Steps {
  double step;
  double zero;
};

template <typename Number>
std::optional<Steps> steps_of(const Number* memory, const std::vector<std::size_t>& at,
                              const std::vector<float>& held) {
  const auto less = [&](std::size_t a, std::size_t b) { return memory[a] < memory[b]; };
  const auto [low, high] = std::minmax_element(at.begin(), at.end(), less);
  if (memory[*low] == memory[*high]) return std::nullopt;
  const auto value = [&](auto place) {
    return static_cast<double>(held[static_cast<std::size_t>(place - at.begin())]);
  };
  const double step = (value(high) - value(low)) / (memory[*high] - memory[*low]);
  if (!(step > 0)) return std::nullopt;
  const double zero = value(low) - step * memory[*low];
  for (std::size_t index = 0; index < held.size(); ++index) {
    if (!(std::fabs(step * memory[at[index]] + zero - held[index]) <= kFits * step)) return std::nullopt;
  }
  return Steps{step, zero};
}

template <typename Number>
bool write_numbers(Number* memory, const std::vector<std::size_t>& at, const std::vector<float>& held,
           const std::vector<float>& wanted) {
  const std::optional<Steps> steps = steps_of(memory, at, held);
  if (!steps) return false;
  constexpr double kLeast = std::numeric_limits<Number>::min();
  constexpr double kMost = std::numeric_limits<Number>::max();
  for (std::size_t index = 0; index < wanted.size(); ++index) {
    const double number = std::nearbyint((wanted[index] - steps->zero) / steps->step);
    memory[at[index]] = static_cast<Number>(std::isnan(number) ? 0 : std::clamp(number, kLeast, kMost));
  }
  return true;
}

}  // namespace

bool reads_8_bits(const std::string& type) {
  if (type.rfind("FloatToInt8", 0) == 0) return false;  // it reads floats, whatever it makes
  return type == "Int8ToFloat" || type.find("INT8") != std::string::npos;
}

bool write_in_8_bits(void* memory, const Shape& shape, const std::vector<float>& held,
                     const std::vector<float>& wanted) {
  if (memory == nullptr || held.empty() || held.size() != wanted.size()) return false;
  for (const std::size_t pack : {1, 4, 8, 16, 32, 64}) {
    const std::vector<std::size_t> at = places(shape, pack);
    if (write_numbers(static_cast<std::int8_t*>(memory), at, held, wanted)) return true;
    if (write_numbers(static_cast<std::uint8_t*>(memory), at, held, wanted)) return true;
  }
  return false;
}

}  // namespace runner
