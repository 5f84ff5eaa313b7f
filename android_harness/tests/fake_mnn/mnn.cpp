// An engine for tests with MNN's API. Its only model is a file that begins with "fake": inputs x
// (1x4, float32) and y (2, int32); outputs "negative" (-x) and "sum" (of y, int64). It prints on
// stdout, as MNN does. With WITH_PYTHON it refers to Python's C API, as the wheel's engine does.

#include <MNN/Interpreter.hpp>
#include <dlfcn.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#ifndef FAKE_VERSION
#define FAKE_VERSION MNN_VERSION
#endif

#ifdef WITH_PYTHON
extern "C" {
extern void* PyExc_RuntimeError;
void PyErr_SetString(void* kind, const char* text);
void* PyInit_fake() {
  PyErr_SetString(PyExc_RuntimeError, "never called");
  return nullptr;
}
}
#endif

namespace MNN {

// A class with virtual functions whose type comes after a string, as MNN's does.
class Backend {
 public:
  explicit Backend(int type) : type_(type) {}
  virtual ~Backend() = default;

  std::string folder = ".";

 private:
  const int type_;
};

class Session {
 public:
  int threads = 0;
  int type = 0;
  bool low = false;
  std::map<std::string, Tensor*> inputs;
  std::map<std::string, Tensor*> outputs;
};

namespace {

Interpreter::SessionMode mode = Interpreter::Session_Debug;

void compute(const Session& session, const std::string& output) {
  if (output == "negative") {
    const auto* x = session.inputs.at("x")->host<float>();
    for (int at = 0; at < 4; ++at) session.outputs.at(output)->host<float>()[at] = -x[at];
  } else {
    const auto* y = session.inputs.at("y")->host<std::int32_t>();
    session.outputs.at(output)->host<std::int64_t>()[0] = std::int64_t{y[0]} + y[1];
  }
}

// Whether this engine has a back end: Vulkan, once its library has been loaded.
bool can_use(int type) { return type == 7 && dlsym(RTLD_DEFAULT, "fake_vulkan") != nullptr; }

Tensor* tensor(std::vector<int> shape, halide_type_code_t code, std::uint8_t bits) {
  return Tensor::create(shape, {code, bits, 1}, nullptr, Tensor::CAFFE_C4);
}

}  // namespace

const char* getVersion() { return FAKE_VERSION; }

Tensor* Tensor::create(const std::vector<int>& shape, halide_type_t type, void* data,
                       DimensionType dimension_type) {
  auto* made = new Tensor;
  made->type_ = type;
  made->dimension_type_ = dimension_type;
  made->shape_ = shape;
  std::size_t size = type.bits / 8U;
  for (const int axis : shape) size *= static_cast<std::size_t>(axis);
  made->bytes_.resize(size);
  if (data != nullptr) std::memcpy(made->bytes_.data(), data, size);
  return made;
}

void Tensor::destroy(Tensor* tensor) { delete tensor; }

bool Tensor::copyFromHostTensor(const Tensor* host) {
  bytes_ = host->bytes_;
  return true;
}

bool Tensor::copyToHostTensor(Tensor* host) const {
  host->bytes_ = bytes_;
  return true;
}

Tensor::DimensionType Tensor::getDimensionType() const { return dimension_type_; }

#ifdef FAKE_LAYOUT // as if its fields were elsewhere
std::vector<int> Tensor::shape() const { return {}; }
#else
std::vector<int> Tensor::shape() const { return shape_; }
#endif

Interpreter* Interpreter::createFromFile(const char* file) {
  std::printf("the fake engine prints\n");
  std::string start(4, '\0');
  std::ifstream(file).read(start.data(), 4);
  return start == "fake" ? new Interpreter : nullptr;
}

Interpreter* Interpreter::createFromBuffer(const void* buffer, std::size_t size) {
  return size >= 4 && std::memcmp(buffer, "fake", 4) == 0 ? new Interpreter : nullptr;
}

void Interpreter::destroy(Interpreter* interpreter) { delete interpreter; }

void Interpreter::setSessionMode(SessionMode asked) { mode = asked; }

Session* Interpreter::createSession(const ScheduleConfig& config) {
  auto* session = new Session;
  session->threads = config.numThread;
  session->type = can_use(config.type) ? config.type : MNN_FORWARD_CPU;
  session->low = config.backendConfig->precision == BackendConfig::Precision_Low;
  session->inputs = {{"x", tensor({1, 4}, halide_type_float, 32)},
                     {"y", tensor({2}, halide_type_int, 32)}};
  session->outputs = {{"negative", tensor({1, 4}, halide_type_float, 32)},
                      {"sum", tensor({1}, halide_type_int, 64)}};
  return session;
}

ErrorCode Interpreter::runSession(Session* session) const {
  for (const char* output : {"negative", "sum"}) compute(*session, output);
  return NO_ERROR;
}

// A session for release can't be run by operator.
ErrorCode Interpreter::runSessionWithCallBackInfo(const Session* session,
                                                  const TensorCallBackWithInfo& before,
                                                  const TensorCallBackWithInfo& after, bool) const {
  if (mode != Session_Debug) return static_cast<ErrorCode>(7);
  const OperatorInfo negative("negative", "UnaryOp");
  const OperatorInfo sum("sum", "Reduction");
  const auto run = [&](const OperatorInfo& info, Tensor* input, Tensor* output) {
    if (before({input}, &info)) compute(*session, info.name());
    return after({output}, &info);
  };
  if (!run(negative, session->inputs.at("x"), session->outputs.at("negative")) ||
      !run(sum, session->inputs.at("y"), session->outputs.at("sum"))) {
    return static_cast<ErrorCode>(7);
  }
  return NO_ERROR;
}

bool Interpreter::getSessionInfo(const Session* session, SessionInfoCode code, void* found) {
  const int backend = session->type != MNN_FORWARD_CPU ? session->type : session->low ? 13 : 0;
  *static_cast<int*>(found) = code == THREAD_NUMBER ? session->threads : backend;
  return true;
}

// FAKE_FALLS_BACK in the environment has the operator "sum" run on the CPU.
const Backend* Interpreter::getBackend(const Session* session, const Tensor* tensor) const {
  static const Backend cpu(MNN_FORWARD_CPU);
  static const Backend vulkan(7);
  static const Backend other(99);
  if (std::getenv("FAKE_BACKENDS") != nullptr) return &other;  // as if its fields were elsewhere
  const bool is_sum = tensor == session->outputs.at("sum");
  const bool falls_back = is_sum && std::getenv("FAKE_FALLS_BACK") != nullptr;
  return session->type == MNN_FORWARD_CPU || falls_back ? &cpu : &vulkan;
}

const std::map<std::string, Tensor*>& Interpreter::getSessionOutputAll(
    const Session* session) const {
  return session->outputs;
}

const std::map<std::string, Tensor*>& Interpreter::getSessionInputAll(
    const Session* session) const {
  return session->inputs;
}

}  // namespace MNN
