// MNN through its Interpreter.

#include "session_mnn.hpp"

#include <MNN/MNNDefine.h>

#include <cstring>
#include <map>
#include <utility>

#include "backend_mnn.hpp"
#include "layout.hpp"
#include "operator_mnn.hpp"
#include "refused.hpp"

namespace runner {
namespace {

constexpr int kBackendExtension = 13;  // MNN_FORWARD_CPU_EXTENSION
constexpr int kWideTuning = 4;         // MNN_GPU_TUNING_WIDE, MNN's own default
constexpr int kNoTuning = 1;           // MNN_GPU_TUNING_NONE

#if defined(__aarch64__) || defined(__arm__)
constexpr const char* kExtension = "fp16";  // fp16 arithmetic
#else
constexpr const char* kExtension = "fp32";  // AVX; on x86 MNN has no fp16 arithmetic
#endif

// A tensor of the session, and the one that is copied to or from it.
struct Port {
  MNN::Tensor* device;
  HostTensor host;
};

std::map<std::string, Port> ports(const std::map<std::string, MNN::Tensor*>& tensors) {
  std::map<std::string, Port> made;
  for (const auto& [name, tensor] : tensors) {
    dtype_of(tensor->getType());
    made[name] = {tensor, plain_tensor(*tensor)};
  }
  return made;
}

class MnnSession : public Session {
 public:
  MnnSession(Interpreter interpreter, const Arguments& arguments)
      : interpreter_(std::move(interpreter)), on_cpu_(arguments.backend == "cpu") {
    // Only a session for debugging can be run operator by operator.
    interpreter_->setSessionMode(arguments.by_operator ? MNN::Interpreter::Session_Debug
                                                       : MNN::Interpreter::Session_Release);
    MNN::BackendConfig backend;
    backend.precision = precision_mode(arguments);
    MNN::ScheduleConfig schedule;
    if (on_cpu_) {
      schedule.type = MNN_FORWARD_CPU;
      schedule.numThread = static_cast<int>(arguments.threads);
    } else {
      loading_ = load_backend(arguments.backend);
      schedule.type = forward_type(arguments.backend);
      // One field for both. A look at where operators run needs no tuning, which may take minutes.
      schedule.numThread = arguments.by_operator ? kNoTuning : kWideTuning;
    }
    schedule.backendConfig = &backend;
    session_ = interpreter_->createSession(schedule);
    if (session_ == nullptr) unloadable();
    backend_ = backend_name(info(MNN::Interpreter::BACKENDS));
    feeds_ = ports(interpreter_->getSessionInputAll(session_));
    fetches_ = ports(interpreter_->getSessionOutputAll(session_));
    if (feeds_.empty() || fetches_.empty()) {
      throw Refused("MNN finds no input or no output in the model");
    }
  }

  std::vector<TensorSpec> inputs() const override {
    std::vector<TensorSpec> specs;
    for (const auto& [name, port] : feeds_) specs.push_back(spec_of(name, *port.device));
    return specs;
  }

  std::string precision() const override {
    if (backend_ != "cpu") return "untold";  // MNN tells only the CPU's
    const int backend = info(MNN::Interpreter::BACKENDS);
    if (backend == MNN_FORWARD_CPU) return "fp32";
    if (backend == kBackendExtension) return kExtension;
    return "backend " + std::to_string(backend);
  }

  std::string backend() const override { return backend_; }

  std::optional<std::string> loading() const override { return loading_; }

  std::optional<Driver> driver() const override { return driver_of(backend_); }

  // Elsewhere than on the CPU the one that waits: MNN tells the kind of tuning in its place.
  std::int64_t threads() const override {
    return backend_ == "cpu" ? info(MNN::Interpreter::THREAD_NUMBER) : 1;
  }

  void feed(const Arrays& arrays) override {
    for (const auto& [name, port] : feeds_) {
      convert(arrays.at(name), dtype_of(port.host->getType()), port.host->host<void>());
    }
  }

  void run() override {
    run_with([this] { return interpreter_->runSession(session_); });
  }

  void run_by_operator(const Watch& watch) override {
    Callbacks callbacks(watch, [this](const MNN::Tensor& tensor) {
      return on_cpu_ ? "cpu" : holder(tensor);
    });
    run_with([&] {
      const MNN::ErrorCode code = interpreter_->runSessionWithCallBackInfo(
          session_, callbacks.before(), callbacks.after(), false);
      callbacks.rethrow();
      return code;
    });
  }

  Outputs outputs() const override {
    Outputs found;
    for (const auto& [name, port] : fetches_) {
      const TensorSpec spec = spec_of(name, *port.device);
      Array array{spec.dtype, {}};
      array.bytes.resize(spec.count() * size_of(spec.dtype));
      if (!array.bytes.empty()) {
        std::memcpy(array.bytes.data(), port.host->host<void>(), array.bytes.size());
      }
      found[name] = as_floats(array);
    }
    return found;
  }

 private:
  template <typename Run>
  void run_with(const Run& run) {
    bool copied = true;
    for (const auto& [name, port] : feeds_) {
      copied &= port.device->copyFromHostTensor(port.host.get());
    }
    const MNN::ErrorCode code = run();
    for (const auto& [name, port] : fetches_) {
      copied &= port.device->copyToHostTensor(port.host.get());
    }
    if (code != MNN::NO_ERROR) {
      throw Refused("MNN's session stopped with error " + std::to_string(code));
    }
    if (!copied) throw Refused("MNN can't copy the model's input or output");
  }

  // The back end that holds a tensor: the session's, or its only other one, which is the CPU. Throws
  // Refused if it reads as a third: back ends don't lie in memory then as backend_of() expects.
  std::string holder(const MNN::Tensor& tensor) const {
    const std::string found = backend_of(*interpreter_, *session_, tensor);
    if (found != "cpu" && found != backend_) {
      throw Refused("MNN " + std::string(MNN::getVersion()) +
                    " doesn't tell this runner where operators run: it was made for 3.6.1");
    }
    return found;
  }

  int info(MNN::Interpreter::SessionInfoCode code) const {
    int found[16] = {-1};  // BACKENDS writes one value a configuration
    if (!interpreter_->getSessionInfo(session_, code, found)) return -1;
    return found[0];
  }

  Interpreter interpreter_;
  bool on_cpu_;
  std::optional<std::string> loading_;
  MNN::Session* session_ = nullptr;
  std::string backend_;  // asked once: in a callback MNN would wait for itself
  std::map<std::string, Port> feeds_;
  std::map<std::string, Port> fetches_;
};

std::unique_ptr<Session> load(const Arguments& arguments) {
  // MNN renumbers the constants of its headers between versions.
  if (std::strcmp(MNN::getVersion(), MNN_VERSION) != 0) {
    throw Refused(std::string("the runner was built with the headers of MNN ") + MNN_VERSION +
                  ", but the library is MNN " + MNN::getVersion() + ": build it again");
  }
  check_layout();
  if (arguments.api == "module") return open_module(arguments);
  return open_session(Interpreter(MNN::Interpreter::createFromFile(arguments.model.c_str())),
                      arguments);
}

}  // namespace

void unloadable() { throw Refused("MNN can't load the model: it is damaged or no .mnn file"); }

MNN::BackendConfig::PrecisionMode precision_mode(const Arguments& arguments) {
  return arguments.precision == "fp16" ? MNN::BackendConfig::Precision_Low
                                       : MNN::BackendConfig::Precision_High;
}

std::string dtype_of(halide_type_t type) {
  const char* kind = type.code == halide_type_float  ? "float"
                     : type.code == halide_type_int  ? "int"
                     : type.code == halide_type_uint ? "uint"
                                                     : "";
  const std::string dtype = kind + std::to_string(type.bits);
  if (size_of(dtype) == 0 || dtype == "float16") {
    throw Refused("the model has a tensor of a type that the runner doesn't know");
  }
  return dtype;
}

TensorSpec spec_of(const std::string& name, const MNN::Tensor& tensor) {
  const std::vector<int> shape = tensor.shape();
  return {name, {shape.begin(), shape.end()}, dtype_of(tensor.getType())};
}

HostTensor plain_tensor(const MNN::Tensor& tensor) {
  const auto plain = tensor.getDimensionType() == MNN::Tensor::TENSORFLOW ? MNN::Tensor::TENSORFLOW
                                                                          : MNN::Tensor::CAFFE;
  return HostTensor(MNN::Tensor::create(tensor.shape(), tensor.getType(), nullptr, plain));
}

std::unique_ptr<Session> open_session(Interpreter interpreter, const Arguments& arguments) {
  if (!interpreter) unloadable();
  return std::make_unique<MnnSession>(std::move(interpreter), arguments);
}

Engine engine() { return {MNN::getVersion(), load}; }

}  // namespace runner
