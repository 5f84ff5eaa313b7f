// MNN 3.6.1's Module API, declared as in ../Interpreter.hpp.
#pragma once

#include <MNN/expr/Executor.hpp>
#include <MNN/expr/ExprCreator.hpp>
#include <memory>
#include <string>
#include <vector>

namespace MNN {
namespace Express {

// Its table of functions: two destructors, then onForward.
class MNN_PUBLIC Module {
 public:
  struct Config;
  static Module* load(const std::vector<std::string>& inputs,
                      const std::vector<std::string>& outputs, const char* file,
                      const std::shared_ptr<Executor::RuntimeManager> manager,
                      const Config* config);
  static void destroy(Module* module);
  virtual ~Module() = default;
  virtual std::vector<VARP> onForward(const std::vector<VARP>& inputs) = 0;
};

}  // namespace Express
}  // namespace MNN
