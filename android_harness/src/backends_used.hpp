// Where a model's operators ran.
#pragma once

#include "arguments.hpp"
#include "messages.hpp"
#include "session.hpp"

namespace runner {

// Runs the model once more, watched, in a session of its own that is asked for the same: a session
// for release tells of no operators. `timed` is the session whose runs were timed. Throws Refused.
Backends backends_used(const Session& timed, const Arguments& arguments, const Engine& engine);

}  // namespace runner
