// What the timed loop needs from an engine. session_mnn.cpp is one; the tests have another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "array.hpp"
#include "driver.hpp"
#include "operator.hpp"
#include "tensor_spec.hpp"

namespace runner {

// A loaded model, ready to run.
class Session {
 public:
  virtual ~Session() = default;

  // In the engine's order, with the shapes that will be run.
  virtual std::vector<TensorSpec> inputs() const = 0;
  // What the engine says it really uses: fp32, fp16 or a word of its own.
  virtual std::string precision() const = 0;
  // The main back end that the engine has chosen.
  virtual std::string backend() const { return "cpu"; }
  // Why the library of the back end that was asked for could not be loaded, if so.
  virtual std::optional<std::string> loading() const { return {}; }
  // The device that the back end that was asked for computes on, if it can be asked.
  virtual std::optional<Driver> driver() const { return {}; }
  // How many the engine really uses.
  virtual std::int64_t threads() const = 0;
  // Sets what every following run copies in: an array for each input, with as many elements.
  virtual void feed(const Arrays& arrays) = 0;
  // Copies the input in, computes, copies the output out. This is what is timed.
  virtual void run() = 0;
  // The same as run(), watched. Needs a session that was loaded for it. Throws Refused, and what
  // the watch throws.
  virtual void run_by_operator(const Watch& watch);
  // What the last run computed.
  virtual Outputs outputs() const = 0;
};

struct Engine {
  std::string version;  // "none" in a build without one
  // Throws Refused where the model can't be loaded. Empty in a build without an engine.
  std::function<std::unique_ptr<Session>(const Arguments& arguments)> load;
};

// The engine that this program was built with.
Engine engine();

}  // namespace runner
