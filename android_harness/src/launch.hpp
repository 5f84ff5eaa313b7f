// One launch, from loading the model to the last message.
#pragma once

#include <functional>
#include <string>

#include "arguments.hpp"
#include "messages.hpp"
#include "session.hpp"

namespace runner {

// Sends one message, a line with its end.
using Send = std::function<void(const std::string& line)>;

// What every launch says first.
Hello hello(const Engine& engine);

// Throws Refused in a build without an engine.
void need(const Engine& engine);

// Loads, warms up and times, and sends each message as soon as that can't disturb anything. Throws
// Refused.
void launch(const Arguments& arguments, const Engine& engine, const Send& send);

// Times the runs of a model that is warm, and sends `cpu`, `calibration` and `samples`.
void time_runs(const Arguments& arguments, Session& session, const Send& send);

// The same with two models, timed in turns; needs `arguments.second`.
void launch_both(const Arguments& arguments, const Engine& engine, const Send& send);

// The same as launch(), with turns of plain runs and runs whose operators are timed.
void launch_by_operator(const Arguments& arguments, const Engine& engine, const Send& send);

// The same as launch(), but for as long as the arguments say, with a message for each second.
void launch_by_second(const Arguments& arguments, const Engine& engine, const Send& send);

// Calibrates twice, without a model.
void calibrate(const Arguments& arguments, const Engine& engine, const Send& send);

}  // namespace runner
