#include "array.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace runner {
namespace {

struct Half {
  std::uint16_t bits;
};

float value_of(Half half) {
  const int exponent = (half.bits >> 10) & 31;
  const int fraction = half.bits & 1023;
  float size = 0;
  if (exponent == 31) {
    size = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    size = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    size = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  }
  return (half.bits & 0x8000) != 0 ? -size : size;
}

template <typename Number>
Number value_of(Number number) {
  return number;
}

// Calls `use` with a value of the C++ type for `dtype`; false for a type that is not known.
template <typename Use>
bool with_type(const std::string& dtype, Use use) {
  if (dtype == "float32") return use(float{}), true;
  if (dtype == "float64") return use(double{}), true;
  if (dtype == "float16") return use(Half{}), true;
  if (dtype == "int8") return use(std::int8_t{}), true;
  if (dtype == "int16") return use(std::int16_t{}), true;
  if (dtype == "int32") return use(std::int32_t{}), true;
  if (dtype == "int64") return use(std::int64_t{}), true;
  if (dtype == "uint8" || dtype == "bool") return use(std::uint8_t{}), true;
  if (dtype == "uint16") return use(std::uint16_t{}), true;
  if (dtype == "uint32") return use(std::uint32_t{}), true;
  if (dtype == "uint64") return use(std::uint64_t{}), true;
  return false;
}

template <typename From, typename To>
void copy(const std::vector<unsigned char>& bytes, void* into) {
  for (std::size_t at = 0; at < bytes.size() / sizeof(From); ++at) {
    From element;
    std::memcpy(&element, bytes.data() + at * sizeof(From), sizeof(From));
    const auto value = value_of(element);
    To converted;
    if constexpr (std::is_integral_v<To> && !std::is_integral_v<decltype(value)>) {
      // By way of 64 bits, since converting -1.0 straight to uint8 is undefined.
      converted = static_cast<To>(static_cast<std::int64_t>(value));
    } else {
      converted = static_cast<To>(value);
    }
    std::memcpy(static_cast<unsigned char*>(into) + at * sizeof(To), &converted, sizeof(To));
  }
}

}  // namespace

std::size_t size_of(const std::string& dtype) {
  std::size_t size = 0;
  with_type(dtype, [&](auto zero) { size = sizeof zero; });
  return size;
}

void convert(const Array& array, const std::string& dtype, void* into) {
  with_type(array.dtype, [&](auto from) {
    with_type(dtype, [&](auto to) {
      if constexpr (!std::is_same_v<decltype(to), Half>) {
        copy<decltype(from), decltype(to)>(array.bytes, into);
      }
    });
  });
}

std::vector<float> as_floats(const Array& array) {
  std::vector<float> values(array.bytes.size() / size_of(array.dtype));
  convert(array, "float32", values.data());
  return values;
}

}  // namespace runner
