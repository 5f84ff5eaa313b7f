// MNN's callbacks around each operator.
#pragma once

#include <MNN/Interpreter.hpp>
#include <exception>

#include "operator.hpp"

namespace runner {

// What MNN calls for a watch. An exception must not pass through MNN: the first one ends the run.
class Callbacks {
 public:
  explicit Callbacks(const Watch& watch) : watch_(watch) {}
  Callbacks(const Callbacks&) = delete;
  Callbacks& operator=(const Callbacks&) = delete;

  MNN::TensorCallBackWithInfo before();
  MNN::TensorCallBackWithInfo after();
  // Throws what a callback has thrown.
  void rethrow() const;

 private:
  using Tensors = std::vector<MNN::Tensor*>;
  bool call(const std::function<void(const Operator&)>& callback, const Tensors& tensors,
            const MNN::OperatorInfo& info);

  const Watch& watch_;
  std::exception_ptr failure_;
};

}  // namespace runner
