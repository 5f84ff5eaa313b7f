// Like MNN's header of this name, as far as the runner uses it.
#pragma once

#include <MNN/expr/Executor.hpp>
#include <MNN/expr/ExprCreator.hpp>
#include <string>

namespace MNN {
namespace Express {

class MNN_PUBLIC Module {
 public:
  struct Config {};
  static Module* load(const std::vector<std::string>& inputs,
                      const std::vector<std::string>& outputs, const char* file,
                      const std::shared_ptr<Executor::RuntimeManager> manager,
                      const Config* config);
  static void destroy(Module* module);
  std::vector<VARP> onForward(const std::vector<VARP>& inputs);

  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

}  // namespace Express
}  // namespace MNN
