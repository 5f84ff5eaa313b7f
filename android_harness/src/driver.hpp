// Which device a back end computes on: a driver made of software has it computed on the CPU.
#pragma once

#include <optional>
#include <string>

namespace runner {

struct Driver {
  std::string device;  // as the driver names it
  bool is_cpu;
};

// The device of Vulkan or OpenCL that MNN takes, once it has loaded the driver: the first one of
// Vulkan's, the first GPU of OpenCL's. Nothing if it can't be asked.
std::optional<Driver> driver_of(const std::string& backend);

}  // namespace runner
