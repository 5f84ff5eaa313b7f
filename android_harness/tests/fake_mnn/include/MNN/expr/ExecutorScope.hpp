// Like MNN's header of this name, as far as the runner uses it.
#pragma once

#include <MNN/expr/Executor.hpp>
#include <memory>

namespace MNN {
namespace Express {

struct MNN_PUBLIC ExecutorScope {
  static const std::shared_ptr<Executor> Current();
};

}  // namespace Express
}  // namespace MNN
