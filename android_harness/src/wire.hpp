// Stdout, kept for the protocol alone.
#pragma once

#include <string>

namespace runner {

class Wire {
 public:
  // From now on whatever else prints to stdout goes to stderr: MNN does.
  Wire();

  // Writes all of it; throws std::system_error where nobody can read it any more.
  void send(const std::string& line) const;

 private:
  int stream_;
};

}  // namespace runner
