// Like MNN's header of this name, as far as the runner uses it.
#pragma once

#include <MNN/Interpreter.hpp>

namespace MNN {
namespace Express {

class MNN_PUBLIC Executor {
 public:
  void setCallBack(TensorCallBackWithInfo&& before, TensorCallBackWithInfo&& after);

  class MNN_PUBLIC RuntimeManager {
   public:
    static RuntimeManager* createRuntimeManager(const ScheduleConfig& config);
    static void destroy(RuntimeManager* manager);
    void setMode(Interpreter::SessionMode mode);
  };

  TensorCallBackWithInfo before;
  TensorCallBackWithInfo after;
};

}  // namespace Express
}  // namespace MNN
