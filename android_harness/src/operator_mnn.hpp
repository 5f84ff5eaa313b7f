// MNN's callbacks around each operator.
#pragma once

#include <MNN/Interpreter.hpp>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "operator.hpp"

namespace runner {

// What MNN calls for a watch. An exception must not pass through MNN: the first one ends the run.
class Callbacks {
 public:
  using BackendOf = std::function<std::string(const MNN::Tensor&)>;

  Callbacks(const Watch& watch, BackendOf backend_of)
      : watch_(watch), backend_of_(std::move(backend_of)) {}
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
  const BackendOf backend_of_;  // which back end holds a tensor
  std::exception_ptr failure_;
};

}  // namespace runner
