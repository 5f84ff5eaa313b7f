// One launch, from loading the model to the last message.
#pragma once

#include <functional>
#include <string>

#include "arguments.hpp"
#include "session.hpp"

namespace runner {

// Takes a message as it goes on the wire, one line with its end.
using Send = std::function<void(const std::string& line)>;

// Load, warm up, time, and send each message as soon as that can't disturb anything. Throws
// Refused.
void launch(const Arguments& arguments, const Engine& engine, const Send& send);

// Calibrate twice, without a model.
void calibrate(const Arguments& arguments, const Engine& engine, const Send& send);

}  // namespace runner
