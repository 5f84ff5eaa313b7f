// Stdout, reserved for the protocol.
#pragma once

#include <string>

namespace runner {

class Wire {
 public:
  // From now on, what anything else prints to stdout goes to stderr; MNN prints there.
  Wire();

  // Writes the whole line; throws std::system_error once nobody can read it.
  void send(const std::string& line) const;

 private:
  int stream_;
};

}  // namespace runner
