// A launch that computes what the model answers to each of many samples.
#pragma once

#include "arguments.hpp"
#include "launch.hpp"
#include "session.hpp"

namespace runner {

// Loads, runs each sample of the inputs file once, and writes all outputs to `arguments.answers`.
// Throws Refused.
void launch_answers(const Arguments& arguments, const Engine& engine, const Send& send);

}  // namespace runner
