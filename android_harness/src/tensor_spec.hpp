// A tensor of a model: its name, its shape, and numpy's name for its type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace runner {

struct TensorSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string dtype = "float32";

  std::size_t count() const {
    std::size_t product = 1;
    for (const std::int64_t axis : shape) product *= static_cast<std::size_t>(axis);
    return product;
  }
};

}  // namespace runner
