// Proves which bytes were loaded as the model.
#pragma once

#include <functional>
#include <string>

namespace runner {

// Hashes the file, calls `load`, and returns the hash. Throws Refused where the file can't be read,
// or changed meanwhile.
std::string hash_around(const std::string& path, const std::function<void()>& load);

// The same, but hashes the file afterwards: `load` finds it in memory only if it was there.
std::string hash_after(const std::string& path, const std::function<void()>& load);

}  // namespace runner
