// Values of every type reach the engine's type as they are, or as a cast leaves them.
#include "array.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "check.hpp"

using runner::Array;

namespace {

template <typename Element>
Array array(const std::string& dtype, const std::vector<Element>& values) {
  Array made{dtype, std::vector<unsigned char>(values.size() * sizeof(Element))};
  std::memcpy(made.bytes.data(), values.data(), made.bytes.size());
  return made;
}

template <typename Element>
std::vector<Element> converted(const Array& from, const std::string& dtype, std::size_t count) {
  std::vector<Element> values(count);
  runner::convert(from, dtype, values.data());
  return values;
}

}  // namespace

TEST(array, integers_that_float32_would_round_are_kept) {
  const auto ids = array<std::int64_t>("int64", {(1 << 24) + 1, INT32_MAX, INT32_MIN});
  CHECK(converted<std::int32_t>(ids, "int32", 3) ==
        (std::vector<std::int32_t>{(1 << 24) + 1, INT32_MAX, INT32_MIN}));
}

TEST(array, what_32_bits_can_not_hold_is_as_a_cast_leaves_it) {
  const auto ids = array<std::int64_t>("int64", {(std::int64_t{1} << 32) + 7, -1});
  CHECK(converted<std::int32_t>(ids, "int32", 2) == (std::vector<std::int32_t>{7, -1}));
  const auto large = array<std::uint64_t>("uint64", {UINT64_MAX});
  CHECK(converted<std::int32_t>(large, "int32", 1) == std::vector<std::int32_t>{-1});
  CHECK(converted<std::uint8_t>(array<float>("float32", {-1.0F}), "uint8", 1) ==
        std::vector<std::uint8_t>{255});
}

TEST(array, halves_become_the_same_numbers) {
  const auto half = array<std::uint16_t>(
      "float16", {0x3C00, 0xC100, 0x0001, 0x03FF, 0x7BFF, 0x8000, 0x7C00, 0x7E00});
  const std::vector<float> found = runner::as_floats(half);
  const std::vector<float> wanted = {1, -2.5F, 0x1p-24F, 1023 * 0x1p-24F, 65504, -0.0F};
  for (std::size_t at = 0; at < wanted.size(); ++at) CHECK_EQ(found[at], wanted[at]);
  CHECK(std::signbit(found[5]));
  CHECK(std::isinf(found[6]));
  CHECK(std::isnan(found[7]));
}

TEST(array, every_type_has_a_size_and_others_none) {
  for (const char* one : {"bool", "int8", "uint8"}) CHECK_EQ(runner::size_of(one), 1U);
  for (const char* two : {"float16", "int16", "uint16"}) CHECK_EQ(runner::size_of(two), 2U);
  for (const char* four : {"float32", "int32", "uint32"}) CHECK_EQ(runner::size_of(four), 4U);
  for (const char* eight : {"float64", "int64", "uint64"}) CHECK_EQ(runner::size_of(eight), 8U);
  CHECK_EQ(runner::size_of("bfloat16"), 0U);
}

TEST(array, small_types_become_numbers) {
  CHECK(runner::as_floats(array<std::uint8_t>("bool", {0, 1})) == (std::vector<float>{0, 1}));
  CHECK(runner::as_floats(array<std::int16_t>("int16", {-32768, 7})) ==
        (std::vector<float>{-32768, 7}));
  CHECK(runner::as_floats(array<double>("float64", {0.1})) == std::vector<float>{0.1F});
  CHECK(runner::as_floats(Array{"int64", {}}).empty());
}
