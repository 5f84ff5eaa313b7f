// The Module API of the engine for tests: the same model, whose "negative" it packs by channels.

#include <MNN/expr/ExecutorScope.hpp>
#include <MNN/expr/Module.hpp>
#include <cstring>
#include <fstream>
#include <utility>

namespace MNN {
namespace Express {

namespace {

VARP variable(const void* values, const INTS& shape, Dimensionformat format, halide_type_t type) {
  auto* made = new Variable;
  std::size_t count = 1;
  for (const int axis : shape) count *= static_cast<std::size_t>(axis);
  made->info = {format, shape, type, count};
  made->bytes.resize(count * type.bits / 8U);
  if (values != nullptr) std::memcpy(made->bytes.data(), values, made->bytes.size());
  return VARP(made);
}

}  // namespace

std::vector<std::int8_t> Variable::save(const std::vector<VARP>&) { return {'f', 'a', 'k', 'e'}; }

VARP _Input(INTS shape, Dimensionformat format, halide_type_t type) {
  return variable(nullptr, shape, format, type);
}

VARP _Const(const void* values, INTS shape, Dimensionformat format, halide_type_t type) {
  VARP made = variable(values, shape, format, type);
#ifdef FAKE_EXPRESS_LAYOUT  // as if its fields were elsewhere
  made->info.size = 0;
#endif
  return made;
}

VARP _Add(VARP left, VARP) { return left; }

VARP _Convert(VARP packed, Dimensionformat format) {
  VARP plain = variable(packed->bytes.data(), packed->info.dim, format, packed->info.type);
  auto* values = reinterpret_cast<float*>(plain->bytes.data());
  for (std::size_t at = 0; at < plain->info.size; ++at) values[at] = -values[at];
  return plain;
}

Executor::RuntimeManager* Executor::RuntimeManager::createRuntimeManager(const ScheduleConfig&) {
  return new RuntimeManager;
}

void Executor::RuntimeManager::destroy(RuntimeManager* manager) { delete manager; }

void Executor::RuntimeManager::setMode(Interpreter::SessionMode) {}

void Executor::setCallBack(TensorCallBackWithInfo&& first, TensorCallBackWithInfo&& last) {
  before = std::move(first);
  after = std::move(last);
}

const std::shared_ptr<Executor> ExecutorScope::Current() {
  static const auto only = std::make_shared<Executor>();
  return only;
}

Module* Module::load(const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs, const char* file,
                     const std::shared_ptr<Executor::RuntimeManager>, const Config*) {
  std::string start(4, '\0');
  std::ifstream(file).read(start.data(), 4);
  if (start != "fake") return nullptr;
  auto* made = new Module;
  made->inputs = inputs;
  made->outputs = outputs;
  return made;
}

void Module::destroy(Module* module) { delete module; }

std::vector<VARP> Module::onForward(const std::vector<VARP>& given) {
  std::vector<VARP> made;
  const std::shared_ptr<Executor> executor = ExecutorScope::Current();
  for (const std::string& name : outputs) {
    const OperatorInfo info(name, "Fake");
    if (executor->before) executor->before({}, &info);
    for (std::size_t at = 0; at < inputs.size(); ++at) {
      if (name == "negative" && inputs[at] == "x") {
        // Packed, it looks like x; _Convert changes the sign.
        const Variable& x = *given[at].get();
        made.push_back(variable(x.bytes.data(), x.info.dim, NC4HW4, x.info.type));
      } else if (name == "sum" && inputs[at] == "y") {
        const auto* y = reinterpret_cast<const std::int32_t*>(given[at]->bytes.data());
        const std::int64_t sum = std::int64_t{y[0]} + y[1];
        made.push_back(variable(&sum, {1}, NCHW, {halide_type_int, 64}));
      }
    }
    if (executor->after) executor->after({}, &info);
  }
  return made;
}

}  // namespace Express
}  // namespace MNN
