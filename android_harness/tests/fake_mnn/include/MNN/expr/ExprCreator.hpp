// Like MNN's header of this name, as far as the runner uses it.
#pragma once

#include <MNN/Interpreter.hpp>
#include <cstdint>
#include <memory>
#include <vector>

namespace MNN {
namespace Express {

enum Dimensionformat { NHWC, NC4HW4, NCHW };
using INTS = std::vector<int>;

class VARP;

class MNN_PUBLIC Variable {
 public:
  struct Info {
    Dimensionformat order = NHWC;
    INTS dim;
    halide_type_t type;
    std::size_t size;
  };
  const Info* getInfo() { return &info; }
  template <typename Element>
  const Element* readMap() {
    return reinterpret_cast<const Element*>(bytes.data());
  }
  static std::vector<std::int8_t> save(const std::vector<VARP>& variables);

  Info info;
  std::vector<char> bytes;
};

class MNN_PUBLIC VARP {
 public:
  VARP() = default;
  explicit VARP(Variable* variable) : content_(variable) {}
  Variable* get() const { return content_.get(); }
  Variable* operator->() const { return content_.get(); }

 private:
  std::shared_ptr<Variable> content_;
};

MNN_PUBLIC VARP _Input(INTS shape, Dimensionformat format, halide_type_t type);
MNN_PUBLIC VARP _Const(const void* values, INTS shape, Dimensionformat format, halide_type_t type);
MNN_PUBLIC VARP _Add(VARP left, VARP right);
MNN_PUBLIC VARP _Convert(VARP variable, Dimensionformat format);

}  // namespace Express
}  // namespace MNN
