// The same bits as Python's bench_inputs: data/inputs.txt was written by it.
#include "inputs.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "arguments.hpp"
#include "check.hpp"
#include "sha256.hpp"

namespace {

std::string bits(float value) {
  std::uint32_t word = 0;
  std::memcpy(&word, &value, sizeof word);
  char text[16];
  std::snprintf(text, sizeof text, "%08x", word);
  return text;
}

std::string sha256(const std::vector<float>& values) {
  runner::Sha256 hash;
  hash.update(values.data(), values.size() * sizeof(float));
  return hash.hex();
}

}  // namespace

// A line is: seed, position among the inputs, type, number of elements, the first three elements'
// bits as float32, SHA-256 of all of them.
TEST(inputs, are_those_of_python) {
  std::ifstream file(INPUTS_TXT);
  int lines = 0;
  for (std::string text; std::getline(file, text);) {
    if (text.empty() || text[0] == '#') continue;
    std::istringstream fields(text);
    std::string seed, dtype, first, second, third, hash;
    std::size_t position = 0;
    std::int64_t count = 0;
    fields >> seed >> position >> dtype >> count >> first >> second >> third >> hash;
    CHECK(static_cast<bool>(fields));
    std::vector<runner::TensorSpec> specs(position, {"other", {1}, "float32"});
    specs.push_back({"x", {count}, dtype});
    const auto arguments = runner::parse_arguments({"--calibrate", "--input-seed", seed});
    const auto values = runner::as_floats(runner::bench_inputs(specs, arguments.input_seed).at("x"));
    CHECK_EQ(bits(values[0]), first);
    CHECK_EQ(bits(values[1]), second);
    CHECK_EQ(bits(values[2]), third);
    CHECK_EQ(sha256(values), hash);
    ++lines;
  }
  CHECK(lines >= 10);
}

TEST(inputs, of_several_axes_are_counted_by_their_product_and_a_scalar_is_one) {
  const auto arrays = runner::bench_inputs({{"a", {2, 3, 4}, "float32"}, {"b", {}, "int64"}}, 0);
  CHECK_EQ(runner::as_floats(arrays.at("a")).size(), 24U);
  CHECK_EQ(runner::as_floats(arrays.at("b")).size(), 1U);
}
