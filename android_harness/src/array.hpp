// The values of one tensor, in the type that they were given in.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace runner {

// Row-major, little-endian; the type is one of numpy's names.
struct Array {
  std::string dtype;
  std::vector<unsigned char> bytes;
};

// By the tensor's name.
using Arrays = std::map<std::string, Array>;
using Outputs = std::map<std::string, std::vector<float>>;

// Size of an element in bytes; 0 for a type that is not known. A bool has one byte.
std::size_t size_of(const std::string& dtype);

// Writes the values to `into`, each converted to `dtype`: an integer as a cast leaves it.
void convert(const Array& array, const std::string& dtype, void* into);

// The values as float32, which outputs are sent in.
std::vector<float> as_floats(const Array& array);

}  // namespace runner
