// MNN through its Module API, on the CPU.

#include <MNN/expr/ExecutorScope.hpp>
#include <MNN/expr/ExprCreator.hpp>
#include <MNN/expr/Module.hpp>
#include <algorithm>
#include <cstring>
#include <utility>

#include "operator_mnn.hpp"
#include "refused.hpp"
#include "session_mnn.hpp"

namespace runner {
namespace {

namespace express = MNN::Express;

// The types that MNN keeps an input in.
std::string kept(const std::string& dtype) {
  if (dtype == "uint8" || dtype == "int8") return dtype;
  return dtype.rfind("float", 0) == 0 ? "float32" : "int32";
}

halide_type_t type_of(const std::string& kept) {
  if (kept == "float32") return halide_type_of<float>();
  if (kept == "uint8") return halide_type_of<std::uint8_t>();
  if (kept == "int8") return halide_type_of<std::int8_t>();
  return halide_type_of<std::int32_t>();
}

// A session that is asked for the same as the module, on the smallest model there is. MNN can be
// asked what a session uses, and not what a module does.
std::unique_ptr<Session> like_it(const Arguments& arguments) {
  const express::VARP one = express::_Input({1}, express::NCHW, halide_type_of<float>());
  const std::vector<std::int8_t> model = express::Variable::save({express::_Add(one, one)});
  Interpreter interpreter(MNN::Interpreter::createFromBuffer(model.data(), model.size()));
  if (!interpreter) unloadable();
  return open_session(std::move(interpreter), arguments);
}

// Throws Refused unless a variable lies in memory as the headers say: they may be our own.
void check_express_layout() {
  const std::vector<float> known = {0.5F, -1, 2, 3, -4, 8};
  const express::VARP made =
      express::_Const(known.data(), {3, 2}, express::NCHW, halide_type_of<float>());
  const express::Variable::Info* info = made.get() == nullptr ? nullptr : made->getInfo();
  bool same = info != nullptr && info->order == express::NCHW && info->dim == express::INTS{3, 2} &&
              info->type.code == halide_type_float && info->type.bits == 32 &&
              info->size == known.size();
  const auto* values = same ? made->readMap<float>() : nullptr;
  same = values != nullptr && std::equal(known.begin(), known.end(), values);
  if (!same) {
    throw Refused(
        "MNN's variables don't lie in memory as this runner expects: build it with MNN's headers "
        "(asymm-deploy runner build --mnn-include-dir FOLDER)");
  }
}

class MnnModule : public Session {
 public:
  explicit MnnModule(const Arguments& arguments)
      : arguments_(arguments), results_(arguments.outputs.size()) {
    check_express_layout();
    std::vector<std::string> names;
    for (const TensorSpec& spec : arguments.inputs) {
      names.push_back(spec.name);
      specs_.push_back({spec.name, spec.shape, kept(spec.dtype)});
    }
    MNN::BackendConfig precision;
    precision.precision = precision_mode(arguments);
    MNN::ScheduleConfig schedule;
    schedule.type = MNN_FORWARD_CPU;
    schedule.numThread = static_cast<int>(arguments.threads);
    schedule.backendConfig = &precision;
    runtime_.reset(express::Executor::RuntimeManager::createRuntimeManager(schedule),
                   express::Executor::RuntimeManager::destroy);
    if (!runtime_) unloadable();
    // Only in this mode do the executor's callbacks hear of operators.
    if (arguments.by_operator) runtime_->setMode(MNN::Interpreter::Session_Debug);
    module_.reset(express::Module::load(names, arguments.outputs, arguments.model.c_str(), runtime_,
                                        nullptr));
    if (!module_) unloadable();
  }

  std::vector<TensorSpec> inputs() const override { return specs_; }

  std::string precision() const override { return like_it(arguments_)->precision(); }

  std::int64_t threads() const override { return like_it(arguments_)->threads(); }

  void feed(const Arrays& arrays) override {
    feeds_.clear();
    for (const TensorSpec& spec : specs_) {
      std::vector<unsigned char> values(spec.count() * size_of(spec.dtype));
      convert(arrays.at(spec.name), spec.dtype, values.data());
      feeds_.push_back(
          {std::move(values), {spec.shape.begin(), spec.shape.end()}, type_of(spec.dtype)});
    }
  }

  void run() override {
    std::vector<express::VARP> given;
    for (const Feed& feed : feeds_) {
      given.push_back(
          express::_Const(feed.values.data(), feed.shape, express::NCHW, feed.type));
    }
    const std::vector<express::VARP> made = module_->onForward(given);
    if (made.size() != results_.size()) throw Refused("MNN's module stopped: it gives no output");
    for (std::size_t at = 0; at < made.size(); ++at) take(made[at], results_[at]);
  }

  // An operator in a loop is there as often as it ran.
  void run_by_operator(const Watch& watch) override {
    Callbacks callbacks(watch, [](const MNN::Tensor&) { return "cpu"; });
    const std::shared_ptr<express::Executor> executor = express::ExecutorScope::Current();
    executor->setCallBack(callbacks.before(), callbacks.after());
    try {
      run();
    } catch (const Refused&) {
      callbacks.rethrow();  // which is why it stopped
      throw;
    }
    callbacks.rethrow();
    executor->setCallBack(nullptr, nullptr);
  }

  Outputs outputs() const override {
    Outputs found;
    for (std::size_t at = 0; at < results_.size(); ++at) {
      found[arguments_.outputs[at]] = as_floats(results_[at]);
    }
    return found;
  }

 private:
  struct Feed {
    std::vector<unsigned char> values;
    std::vector<int> shape;
    halide_type_t type;
  };

  struct Destroy {
    void operator()(express::Module* module) const { express::Module::destroy(module); }
  };

  // Copies a result: it lies in MNN's memory, and may be packed by channels.
  static void take(express::VARP made, Array& result) {
    const express::Variable::Info* info = made.get() == nullptr ? nullptr : made->getInfo();
    if (info != nullptr && info->order == express::NC4HW4) {
      made = express::_Convert(made, express::NCHW);
      info = made->getInfo();
    }
    if (info == nullptr) throw Refused("MNN's module stopped: it gives no output");
    result.dtype = dtype_of(info->type);
    result.bytes.resize(info->size * size_of(result.dtype));
    if (result.bytes.empty()) return;
    const void* values = made->readMap<void>();
    if (values == nullptr) throw Refused("MNN's module stopped: it can't compute an output");
    std::memcpy(result.bytes.data(), values, result.bytes.size());
  }

  Arguments arguments_;
  std::vector<TensorSpec> specs_;
  std::shared_ptr<express::Executor::RuntimeManager> runtime_;
  std::unique_ptr<express::Module, Destroy> module_;
  std::vector<Feed> feeds_;
  std::vector<Array> results_;
};

}  // namespace

std::unique_ptr<Session> open_module(const Arguments& arguments) {
  return std::make_unique<MnnModule>(arguments);
}

}  // namespace runner
