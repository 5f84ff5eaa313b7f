// A cold start: a model file that is not in memory, up to its second run.
#pragma once

#include "arguments.hpp"
#include "launch.hpp"
#include "session.hpp"

namespace runner {

// Drops the file from memory, reads it, loads it, runs it twice and sends how long each took; then
// goes on as launch() does behind its warm-up. Throws Refused.
void launch_cold(const Arguments& arguments, const Engine& engine, const Send& send);

}  // namespace runner
