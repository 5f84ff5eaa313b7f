// Something that the run can't do without was refused; what() is the reason, one line.
#pragma once

#include <stdexcept>

namespace runner {

class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace runner
