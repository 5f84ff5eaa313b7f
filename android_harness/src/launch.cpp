#include "launch.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base64.hpp"
#include "calibration.hpp"
#include "clock.hpp"
#include "cores.hpp"
#include "inputs.hpp"
#include "messages.hpp"
#include "model_file.hpp"
#include "refused.hpp"
#include "sha256.hpp"
#include "usage.hpp"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "outputs are sent as they lie in memory");

namespace runner {
namespace {

struct Loaded {
  std::unique_ptr<Session> session;
  std::string sha256;
  std::int64_t init_ns = 0;
};

Hello hello(const Engine& engine) {
  utsname system{};
  uname(&system);
  return {RUNNER_VERSION, engine.version, system.machine, getpid()};
}

Loaded load(const Arguments& arguments, const Engine& engine) {
  if (!engine.load) {
    throw Refused(
        "this runner was built without MNN and can only calibrate; build it with MNN: "
        "asymm-deploy runner build --mnn-root FOLDER");
  }
  Loaded loaded;
  loaded.sha256 = hash_around(arguments.model, [&] {
    const std::int64_t start = wall_ns();
    loaded.session = engine.load(arguments);
    loaded.init_ns = wall_ns() - start;
  });
  return loaded;
}

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

Samples timed(Session& session, const Arguments& arguments) {
  Samples samples{};
  samples.ns.resize(static_cast<std::size_t>(arguments.runs));
  const auto waited = waited_ns();
  const auto stolen = steal_ns(arguments.cpus);
  const std::int64_t cpu_start = thread_ns();
  const std::int64_t wall_start = wall_ns();
  for (std::int64_t& sample : samples.ns) {
    const std::int64_t start = wall_ns();
    session.run();
    sample = wall_ns() - start;
  }
  samples.wall_ns = wall_ns() - wall_start;
  samples.cpu_ns = thread_ns() - cpu_start;
  const auto since = [](auto before, auto after) -> std::optional<std::int64_t> {
    if (!before || !after) return std::nullopt;
    return std::max<std::int64_t>(0, *after - *before);
  };
  samples.waited_ns = since(waited, waited_ns());
  samples.steal_ns = since(stolen, steal_ns(arguments.cpus));
  return samples;
}

// Outputs is a std::map, so they come in byte order of their names.
Output output_of(const Outputs& arrays, const Arguments& arguments) {
  Sha256 sha256;
  Output output;
  if (arguments.output_values) output.values.emplace();
  std::ofstream file;
  if (!arguments.output_file.empty()) {
    file.open(arguments.output_file, std::ios::binary | std::ios::trunc);
  }
  for (const auto& [name, values] : arrays) {
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

}  // namespace

void launch(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  const Loaded model = load(arguments, engine);
  Session& session = *model.session;
  const std::vector<TensorSpec> specs =
      arguments.inputs.empty() ? session.inputs() : arguments.inputs;
  check_inputs(arguments.inputs, session.inputs());
  session.feed(inputs_of(arguments, specs));
  for (std::int64_t run = 0; run < arguments.warmup; ++run) session.run();
  const auto first_shape = specs.empty() ? std::vector<std::int64_t>() : specs[0].shape;
  send(line(Model{model.sha256, first_shape, model.init_ns, peak_memory_mb(), session.precision(),
                  session.threads(), arguments.api}));
  const double rate_before = calibrated_mac_per_s();
  const auto core_before = core_now();
  const Samples samples = timed(session, arguments);
  const auto core_after = core_now();
  const double rate_after = calibrated_mac_per_s();
  send(line(Cpu{{arguments.cpus.begin(), arguments.cpus.end()}, core_before, core_after}));
  send(line(Calibration{rate_before, rate_after}));
  send(line(samples));
  send(line(output_of(session.outputs(), arguments)));
  send(line(Done{arguments.runs}));
}

void calibrate(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  const auto core_before = core_now();
  const double rate_before = calibrated_mac_per_s();
  const double rate_after = calibrated_mac_per_s();
  const auto core_after = core_now();
  send(line(Cpu{{arguments.cpus.begin(), arguments.cpus.end()}, core_before, core_after}));
  send(line(Calibration{rate_before, rate_after}));
  send(line(Done{0}));
}

}  // namespace runner
