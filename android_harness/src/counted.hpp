// A launch whose instructions an emulator counts, instead of timing them.
#pragma once

#include "arguments.hpp"
#include "launch.hpp"
#include "session.hpp"

namespace runner {

// Loads, warms up and runs with marks around each run, or around each operator of the last run too.
// Nothing is timed, and no message holds a time. Throws Refused.
void launch_counted(const Arguments& arguments, const Engine& engine, const Send& send);

}  // namespace runner
