// Which executor is in use, declared as in ../Interpreter.hpp.
#pragma once

#include <MNN/expr/Executor.hpp>
#include <memory>

namespace MNN {
namespace Express {

struct MNN_PUBLIC ExecutorScope {
  ExecutorScope() = delete;
  static const std::shared_ptr<Executor> Current();
};

}  // namespace Express
}  // namespace MNN
