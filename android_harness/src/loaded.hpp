// A model that is ready to run on its inputs, and what is told of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "messages.hpp"
#include "session.hpp"
#include "tensor_spec.hpp"

namespace runner {

struct Loaded {
  std::unique_ptr<Session> session;
  std::vector<TensorSpec> specs;  // the inputs, in the order in which they were asked for
  std::string sha256;
  std::int64_t init_ns = 0;
};

// Loads the model and feeds it. Throws Refused if it can't be loaded, or is not as asked for.
Loaded load(const Arguments& arguments, const Engine& engine);

// The same, but for the input: that is the caller's.
Loaded load_unfed(const Arguments& arguments, const Engine& engine);

// Feeds a session that was made without these two. Throws Refused if it is not as asked for.
void feed(Loaded& loaded, const Arguments& arguments);

// What was loaded; to be sent after the warm-up.
Model described(const Loaded& model, const Arguments& arguments);

// What the last run computed; written to the output file too, if there is to be one.
Output computed(const Loaded& model, const Arguments& arguments);

}  // namespace runner
