// Values go into memory of 8 bits whatever its order and sign, and only where that is certain.
#include "eight_bits.hpp"

#include <cmath>
#include <cstdint>

#include "check.hpp"

using runner::reads_8_bits;
using runner::Shape;
using runner::write_in_8_bits;

namespace {

// Two images of three channels of two elements each, four channels together; the fourth is padding.
const Shape kShape = {2, 3, 2};
const std::vector<std::int8_t> kPacked = {0,  4,  8,  99, 2,  6,  10, 99,   // first image
                                          12, 16, 20, 99, 14, 18, 22, 99};  // second
constexpr std::size_t kRoom = 512;  // for the largest pack, which is looked for too

// A tensor's memory, and what follows it.
template <typename Number>
std::vector<Number> with_room(std::vector<Number> memory) {
  memory.resize(kRoom);
  return memory;
}

std::vector<float> values(float step, float zero, const std::vector<float>& numbers) {
  std::vector<float> found;
  for (const float number : numbers) found.push_back(step * number + zero);
  return found;
}

const std::vector<float> kHeld = values(0.5F, 1, {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22});

}  // namespace

TEST(eight_bits, values_are_rounded_to_the_steps_and_go_where_their_channel_lies) {
  std::vector<std::int8_t> memory = with_room(kPacked);
  std::vector<float> wanted = kHeld;
  wanted[2] = -3.2F;   // channel 1 of the first image
  wanted[11] = 1e6F;   // channel 2 of the second
  wanted[0] = std::nanf("");
  CHECK(write_in_8_bits(memory.data(), kShape, kHeld, wanted));
  std::vector<std::int8_t> expected = with_room(kPacked);
  expected[1] = -8;
  expected[14] = 127;
  CHECK(memory == expected);
}

TEST(eight_bits, numbers_may_have_no_sign_and_the_plain_order) {
  std::vector<std::uint8_t> memory = with_room<std::uint8_t>({0, 100, 200, 255});
  const std::vector<float> held = values(0.1F, -12.8F, {0, 100, 200, 255});
  CHECK(write_in_8_bits(memory.data(), {1, 4}, held, {-12.8F, 12.7F, -50, 0}));
  CHECK(memory == with_room<std::uint8_t>({0, 255, 0, 128}));
}

TEST(eight_bits, what_can_not_be_made_out_is_left_as_it_is) {
  std::vector<std::int8_t> memory = with_room(kPacked);
  std::vector<float> strange = kHeld;
  strange[5] += 0.2F;
  CHECK(!write_in_8_bits(memory.data(), kShape, strange, kHeld));
  CHECK(!write_in_8_bits(memory.data(), kShape, kHeld, {1}));
  CHECK(!write_in_8_bits(nullptr, kShape, kHeld, kHeld));
  CHECK(memory == with_room(kPacked));
  std::vector<std::int8_t> even(kRoom, 7);
  CHECK(!write_in_8_bits(even.data(), {1, 2}, {3.5F, 3.5F}, {1, 2}));
  CHECK(even == std::vector<std::int8_t>(kRoom, 7));
}

TEST(eight_bits, the_type_says_what_reads_them) {
  CHECK(reads_8_bits("Convolution [ DT_INT8 ]"));
  CHECK(reads_8_bits("Int8ToFloat"));
  CHECK(!reads_8_bits("FloatToInt8 [ DT_INT8 ]"));
  CHECK(!reads_8_bits("Convolution"));
}
