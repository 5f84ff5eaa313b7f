// The few of MNN 3.6.1's expressions that the runner uses, declared as in ../Interpreter.hpp.
#pragma once

#include <MNN/Interpreter.hpp>
#include <memory>

namespace MNN {
namespace Express {

enum Dimensionformat { NHWC = 0, NC4HW4 = 1, NCHW = 2 };
using INTS = std::vector<int>;

class VARP;

class MNN_PUBLIC Variable {
 public:
  struct Info {
    Dimensionformat order;
    INTS dim;
    halide_type_t type;
    std::size_t size;
  };
  // Only MNN makes variables.
  Variable() = delete;
  const Info* getInfo();
  template <typename Element>
  const Element* readMap() {
    return static_cast<const Element*>(readInternal(false));
  }
  static std::vector<std::int8_t> save(const std::vector<VARP>& variables);

 private:
  void* readInternal(bool for_shape);
};

static_assert(sizeof(void*) != 8 ||
              (offsetof(Variable::Info, dim) == 8 && offsetof(Variable::Info, type) == 32 &&
               offsetof(Variable::Info, size) == 40));

class MNN_PUBLIC VARP {
 public:
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
