// MNN through its Interpreter, in release mode on the CPU.

#include <MNN/MNNDefine.h>

#include <MNN/Interpreter.hpp>
#include <cstring>
#include <map>

#include "refused.hpp"
#include "session.hpp"

namespace runner {
namespace {

constexpr int kBackendExtension = 13;  // MNN_FORWARD_CPU_EXTENSION

#if defined(__aarch64__) || defined(__arm__)
constexpr const char* kExtension = "fp16";  // fp16 arithmetic
#else
constexpr const char* kExtension = "fp32";  // AVX; on x86 MNN has no fp16 arithmetic
#endif

[[noreturn]] void unloadable() {
  throw Refused("MNN can't load the model: it is damaged or no .mnn file");
}

struct Destroy {
  void operator()(MNN::Interpreter* interpreter) const { MNN::Interpreter::destroy(interpreter); }
  void operator()(MNN::Tensor* tensor) const { MNN::Tensor::destroy(tensor); }
};

// A tensor of the session and, in plain order, the tensor that is copied to or from it: MNN's own
// may be packed by channels.
struct Port {
  MNN::Tensor* device;
  std::unique_ptr<MNN::Tensor, Destroy> host;
};

std::string dtype_of(const MNN::Tensor& tensor) {
  const halide_type_t type = tensor.getType();
  const std::string bits = std::to_string(type.bits);
  if (type.code == halide_type_float && (bits == "32" || bits == "64")) return "float" + bits;
  if (type.code == halide_type_int && (bits == "32" || bits == "64")) return "int" + bits;
  if (type.code == halide_type_uint && bits == "8") return "uint8";
  throw Refused("the model has a tensor of a type that the runner doesn't know");
}

TensorSpec spec_of(const std::string& name, const MNN::Tensor& tensor) {
  const std::vector<int> shape = tensor.shape();
  return {name, {shape.begin(), shape.end()}, dtype_of(tensor)};
}

std::map<std::string, Port> ports(const std::map<std::string, MNN::Tensor*>& tensors) {
  std::map<std::string, Port> made;
  for (const auto& [name, tensor] : tensors) {
    dtype_of(*tensor);
    const auto plain = tensor->getDimensionType() == MNN::Tensor::TENSORFLOW
                           ? MNN::Tensor::TENSORFLOW
                           : MNN::Tensor::CAFFE;
    MNN::Tensor* host = MNN::Tensor::create(tensor->shape(), tensor->getType(), nullptr, plain);
    made[name] = {tensor, std::unique_ptr<MNN::Tensor, Destroy>(host)};
  }
  return made;
}

template <typename Element>
void write(const std::vector<float>& values, MNN::Tensor& host) {
  auto* elements = host.host<Element>();
  // By way of 64 bits, since converting -1 straight to uint8 is undefined.
  for (std::size_t at = 0; at < values.size(); ++at) {
    elements[at] = static_cast<Element>(static_cast<std::int64_t>(values[at]));
  }
}

template <>
void write<float>(const std::vector<float>& values, MNN::Tensor& host) {
  std::memcpy(host.host<float>(), values.data(), values.size() * sizeof(float));
}

template <>
void write<double>(const std::vector<float>& values, MNN::Tensor& host) {
  for (std::size_t at = 0; at < values.size(); ++at) host.host<double>()[at] = values[at];
}

template <typename Element>
std::vector<float> read(const MNN::Tensor& host, std::size_t count) {
  const auto* elements = host.host<Element>();
  std::vector<float> values(count);
  for (std::size_t at = 0; at < count; ++at) values[at] = static_cast<float>(elements[at]);
  return values;
}

class MnnSession : public Session {
 public:
  MnnSession(const std::string& model, const std::string& precision, std::int64_t threads)
      : interpreter_(MNN::Interpreter::createFromFile(model.c_str())) {
    if (!interpreter_) unloadable();
    interpreter_->setSessionMode(MNN::Interpreter::Session_Release);
    MNN::BackendConfig backend;
    backend.precision = precision == "fp16" ? MNN::BackendConfig::Precision_Low
                                            : MNN::BackendConfig::Precision_High;
    MNN::ScheduleConfig schedule;
    schedule.type = MNN_FORWARD_CPU;
    schedule.numThread = static_cast<int>(threads);
    schedule.backendConfig = &backend;
    session_ = interpreter_->createSession(schedule);
    if (session_ == nullptr) unloadable();
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
    const int backend = info(MNN::Interpreter::BACKENDS);
    if (backend == MNN_FORWARD_CPU) return "fp32";
    if (backend == kBackendExtension) return kExtension;
    return "backend " + std::to_string(backend);
  }

  std::int64_t threads() const override { return info(MNN::Interpreter::THREAD_NUMBER); }

  void feed(const Arrays& arrays) override {
    for (const auto& [name, port] : feeds_) {
      const std::vector<float>& values = arrays.at(name);
      const std::string dtype = dtype_of(*port.device);
      if (dtype == "float32") write<float>(values, *port.host);
      if (dtype == "float64") write<double>(values, *port.host);
      if (dtype == "int32") write<std::int32_t>(values, *port.host);
      if (dtype == "int64") write<std::int64_t>(values, *port.host);
      if (dtype == "uint8") write<std::uint8_t>(values, *port.host);
    }
  }

  void run() override {
    bool copied = true;
    for (const auto& [name, port] : feeds_) {
      copied &= port.device->copyFromHostTensor(port.host.get());
    }
    const MNN::ErrorCode code = interpreter_->runSession(session_);
    for (const auto& [name, port] : fetches_) {
      copied &= port.device->copyToHostTensor(port.host.get());
    }
    if (code != MNN::NO_ERROR) {
      throw Refused("MNN's session stopped with error " + std::to_string(code));
    }
    if (!copied) throw Refused("MNN can't copy the model's input or output");
  }

  Arrays outputs() const override {
    Arrays arrays;
    for (const auto& [name, port] : fetches_) {
      const TensorSpec spec = spec_of(name, *port.device);
      const MNN::Tensor& host = *port.host;
      if (spec.dtype == "float32") arrays[name] = read<float>(host, spec.count());
      if (spec.dtype == "float64") arrays[name] = read<double>(host, spec.count());
      if (spec.dtype == "int32") arrays[name] = read<std::int32_t>(host, spec.count());
      if (spec.dtype == "int64") arrays[name] = read<std::int64_t>(host, spec.count());
      if (spec.dtype == "uint8") arrays[name] = read<std::uint8_t>(host, spec.count());
    }
    return arrays;
  }

 private:
  int info(MNN::Interpreter::SessionInfoCode code) const {
    int found[16] = {-1};  // BACKENDS writes one value a configuration
    if (!interpreter_->getSessionInfo(session_, code, found)) return -1;
    return found[0];
  }

  std::unique_ptr<MNN::Interpreter, Destroy> interpreter_;
  MNN::Session* session_ = nullptr;
  std::map<std::string, Port> feeds_;
  std::map<std::string, Port> fetches_;
};

std::unique_ptr<Session> load(const std::string& model, const std::string& precision,
                              std::int64_t threads) {
  // MNN renumbers the constants of its headers between versions.
  if (std::strcmp(MNN::getVersion(), MNN_VERSION) != 0) {
    throw Refused(std::string("the runner was built with the headers of MNN ") + MNN_VERSION +
                  ", but the library is MNN " + MNN::getVersion() + ": build it again");
  }
  return std::make_unique<MnnSession>(model, precision, threads);
}

}  // namespace

Engine engine() { return {MNN::getVersion(), load}; }

}  // namespace runner
