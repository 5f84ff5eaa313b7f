// Which bytes a model file holds.
#pragma once

#include <functional>
#include <string>

namespace runner {

// Hash the file, call `load`, and return the hash. Throws Refused where the file can't be read, or
// where another one took its place meanwhile.
std::string hash_around(const std::string& path, const std::function<void()>& load);

}  // namespace runner
