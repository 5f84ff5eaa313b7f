#include "loaded.hpp"

#include <algorithm>
#include <fstream>
#include <map>

#include "base64.hpp"
#include "clock.hpp"
#include "inputs.hpp"
#include "model_file.hpp"
#include "refused.hpp"
#include "sha256.hpp"
#include "usage.hpp"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "outputs are sent as they lie in memory");

namespace runner {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

Shapes shapes(const std::vector<TensorSpec>& specs) {
  Shapes by_name;
  for (const TensorSpec& spec : specs) by_name[spec.name] = spec.shape;
  return by_name;
}

// As Python prints a dict of tuples: {'x': (1, 3)}.
std::string shown(const Shapes& shapes) {
  std::string text = "{";
  for (const auto& [name, shape] : shapes) {
    if (text.size() > 1) text += ", ";
    text += "'" + name + "': (";
    for (std::size_t at = 0; at < shape.size(); ++at) {
      text += (at == 0 ? "" : ", ") + std::to_string(shape[at]);
    }
    text += shape.size() == 1 ? ",)" : ")";
  }
  return text + "}";
}

Shapes without_ones(Shapes shapes) {
  for (auto& [name, shape] : shapes) {
    shape.erase(std::remove(shape.begin(), shape.end(), 1), shape.end());
  }
  return shapes;
}

// Throws Refused unless the model takes the inputs that were asked for, if any, all of fixed
// shapes. Engines may add and drop axes of length one.
void check_inputs(const std::vector<TensorSpec>& asked, const std::vector<TensorSpec>& found) {
  const Shapes wanted = shapes(asked);
  const Shapes there = shapes(found);
  for (const auto& [name, shape] : there) {
    const auto known = wanted.find(name);
    const bool as_asked = known != wanted.end() && known->second == shape;
    for (const std::int64_t axis : shape) {
      // An axis of length 0 that was asked for is one.
      if (axis < 1 && !as_asked) {
        throw Refused("the model's input '" + name + "' has no fixed shape");
      }
    }
  }
  if (!asked.empty() && without_ones(wanted) != without_ones(there)) {
    throw Refused("the model's inputs are " + shown(there) + ", not " + shown(wanted));
  }
}

Array read_input(const std::string& path, std::size_t count) {
  Array array{"float32", std::vector<unsigned char>(count * sizeof(float))};
  const auto bytes = static_cast<std::streamsize>(array.bytes.size());
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Refused("can't read the input file " + path);
  file.read(reinterpret_cast<char*>(array.bytes.data()), bytes);
  if (file.gcount() != bytes || file.peek() != std::ifstream::traits_type::eof()) {
    throw Refused("the input file must have " + std::to_string(bytes) + " bytes: " + path);
  }
  return array;
}

// The values to run on.
Arrays inputs_of(const Arguments& arguments, const std::vector<TensorSpec>& specs) {
  if (!arguments.inputs_file.empty()) return read_recorded(arguments.inputs_file, arguments.inputs);
  Arrays arrays = bench_inputs(specs, arguments.input_seed);
  if (!arguments.input_file.empty()) {
    arrays[specs.at(0).name] = read_input(arguments.input_file, specs[0].count());
  }
  return arrays;
}

// Takes note of the model's inputs, in the order in which they were asked for.
void specify(Loaded& loaded, const Arguments& arguments) {
  const Session& session = *loaded.session;
  loaded.specs = arguments.inputs.empty() ? session.inputs() : arguments.inputs;
  check_inputs(arguments.inputs, session.inputs());
}

}  // namespace

Loaded load(const Arguments& arguments, const Engine& engine) {
  Loaded loaded = load_unfed(arguments, engine);
  loaded.session->feed(inputs_of(arguments, loaded.specs));
  return loaded;
}

void feed(Loaded& loaded, const Arguments& arguments) {
  specify(loaded, arguments);
  loaded.session->feed(inputs_of(arguments, loaded.specs));
}

Loaded load_unfed(const Arguments& arguments, const Engine& engine) {
  Loaded loaded;
  loaded.sha256 = hash_around(arguments.model, [&] {
    const std::int64_t start = wall_ns();
    loaded.session = engine.load(arguments);
    loaded.init_ns = wall_ns() - start;
  });
  specify(loaded, arguments);
  return loaded;
}

Model described(const Loaded& model, const Arguments& arguments) {
  const auto first_shape = model.specs.empty() ? std::vector<std::int64_t>() : model.specs[0].shape;
  return {model.sha256,
          first_shape,
          model.init_ns,
          peak_memory_mb(),
          model.session->precision(),
          model.session->threads(),
          arguments.api};
}

Output computed(const Loaded& model, const Arguments& arguments) {
  Sha256 sha256;
  Output output;
  if (arguments.output_values) output.values.emplace();
  std::ofstream file;
  if (!arguments.output_file.empty()) {
    file.open(arguments.output_file, std::ios::binary | std::ios::trunc);
  }
  // A std::map, so they come in byte order of their names.
  for (const auto& [name, values] : model.session->outputs()) {
    const std::size_t bytes = values.size() * sizeof(float);
    sha256.update(values.data(), bytes);
    if (output.values) (*output.values)[name] = base64(values.data(), bytes);
    file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(bytes));
  }
  file.close();
  if (!arguments.output_file.empty() && !file) {
    throw Refused("can't write the output file " + arguments.output_file);
  }
  output.sha256 = sha256.hex();
  return output;
}

}  // namespace runner
