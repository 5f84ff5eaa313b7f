// MNN 3.6.1's executor, declared as in ../Interpreter.hpp.
#pragma once

#include <MNN/Interpreter.hpp>

namespace MNN {
namespace Express {

class MNN_PUBLIC Executor {
 public:
  Executor() = delete;
  void setCallBack(TensorCallBackWithInfo&& before, TensorCallBackWithInfo&& after);

  class MNN_PUBLIC RuntimeManager {
   public:
    RuntimeManager() = delete;
    static RuntimeManager* createRuntimeManager(const ScheduleConfig& config);
    static void destroy(RuntimeManager* manager);
    void setMode(Interpreter::SessionMode mode);
  };
};

}  // namespace Express
}  // namespace MNN
