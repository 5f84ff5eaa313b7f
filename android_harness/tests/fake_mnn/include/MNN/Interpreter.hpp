// Like MNN's header of this name, as far as the runner uses it: the same names and the same values,
// so that session_mnn.cpp is compiled, linked and run where there is no MNN.
#pragma once

#include <MNN/MNNDefine.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

enum halide_type_code_t { halide_type_int = 0, halide_type_uint = 1, halide_type_float = 2 };

struct halide_type_t {
  halide_type_code_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
};

template <typename Number>
halide_type_t halide_type_of() {
  const auto code = std::is_floating_point_v<Number> ? halide_type_float
                    : std::is_signed_v<Number>       ? halide_type_int
                                                     : halide_type_uint;
  return {code, static_cast<std::uint8_t>(8 * sizeof(Number)), 1};
}

enum MNNForwardType { MNN_FORWARD_CPU = 0 };

namespace MNN {

enum ErrorCode { NO_ERROR = 0 };

struct BackendConfig {
  enum PrecisionMode { Precision_Normal = 0, Precision_High, Precision_Low };
  PrecisionMode precision = Precision_Normal;
};

struct ScheduleConfig {
  MNNForwardType type = MNN_FORWARD_CPU;
  int numThread = 4;
  BackendConfig* backendConfig = nullptr;
};

class MNN_PUBLIC Tensor {
 public:
  enum DimensionType { TENSORFLOW, CAFFE, CAFFE_C4 };
  static Tensor* create(const std::vector<int>& shape, halide_type_t type, void* data,
                        DimensionType dimension_type);
  static void destroy(Tensor* tensor);
  bool copyFromHostTensor(const Tensor* host);
  bool copyToHostTensor(Tensor* host) const;
  DimensionType getDimensionType() const;
  halide_type_t getType() const { return type_; }
  std::vector<int> shape() const;
  template <typename Element>
  Element* host() const {
    return reinterpret_cast<Element*>(const_cast<char*>(bytes_.data()));
  }

 private:
  halide_type_t type_;
  DimensionType dimension_type_;
  std::vector<int> shape_;
  std::vector<char> bytes_;
};

class Session;
class Backend;

class MNN_PUBLIC OperatorInfo {
 public:
  OperatorInfo(std::string name, std::string type)
      : name_(std::move(name)), type_(std::move(type)) {}
  const std::string& name() const { return name_; }
  const std::string& type() const { return type_; }
  float flops() const { return 0.5F; }

 private:
  std::string name_;
  std::string type_;
};

using TensorCallBackWithInfo =
    std::function<bool(const std::vector<Tensor*>& tensors, const OperatorInfo* info)>;

MNN_PUBLIC const char* getVersion();

class MNN_PUBLIC Interpreter {
 public:
  enum SessionMode { Session_Debug = 0, Session_Release = 1 };
  enum SessionInfoCode { BACKENDS = 2, THREAD_NUMBER = 4 };
  static Interpreter* createFromFile(const char* file);
  static Interpreter* createFromBuffer(const void* buffer, std::size_t size);
  static void destroy(Interpreter* interpreter);
  void setSessionMode(SessionMode mode);
  Session* createSession(const ScheduleConfig& config);
  ErrorCode runSession(Session* session) const;
  ErrorCode runSessionWithCallBackInfo(const Session* session, const TensorCallBackWithInfo& before,
                                       const TensorCallBackWithInfo& after, bool sync) const;
  bool getSessionInfo(const Session* session, SessionInfoCode code, void* found);
  const Backend* getBackend(const Session* session, const Tensor* tensor) const;
  const std::map<std::string, Tensor*>& getSessionOutputAll(const Session* session) const;
  const std::map<std::string, Tensor*>& getSessionInputAll(const Session* session) const;
};

}  // namespace MNN
