// Thrown where something that the run needs is refused; what() is the reason, in one line.
#pragma once

#include <stdexcept>

namespace runner {

class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace runner
