// The values that operators make, of a run of its own.
#pragma once

#include "arguments.hpp"
#include "session.hpp"

namespace runner {

// Runs the session once more, puts the values of `operator_inputs` into inputs of operators before
// they run, and writes the outputs of each to `operator_values`; PROTOCOL.md describes both files.
// Returns the operators of that run, with the inputs that
// could not be given. Does nothing without the latter file. Throws Refused.
Notes write_operator_values(const Arguments& arguments, Session& session);

}  // namespace runner
