// The few classes of MNN 3.6.1 that the runner calls, declared by their layout in memory, for a
// build where MNN's headers are not at hand. Names and values are those of MNN's documentation; the
// offsets are asserted below for 64-bit systems. The program refuses another version when it
// starts, and reads back a known tensor (layout.cpp).
#pragma once

#include <MNN/MNNDefine.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
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
  enum MemoryMode { Memory_Normal = 0 };
  enum PowerMode { Power_Normal = 0 };
  enum PrecisionMode { Precision_Normal = 0, Precision_High = 1, Precision_Low = 2 };
  MemoryMode memory = Memory_Normal;
  PowerMode power = Power_Normal;
  PrecisionMode precision = Precision_Normal;
  void* shared_context = nullptr;
};

struct ScheduleConfig {
  struct Path {
    enum Mode { Op = 0 };
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    Mode mode = Op;
  };
  std::vector<std::string> save_tensors;
  MNNForwardType type = MNN_FORWARD_CPU;
  int numThread = 4;
  Path path;
  MNNForwardType backup_type = MNN_FORWARD_CPU;
  BackendConfig* backendConfig = nullptr;
};

class MNN_PUBLIC Tensor {
 public:
  enum DimensionType { TENSORFLOW = 0, CAFFE = 1, CAFFE_C4 = 2 };
  static Tensor* create(const std::vector<int>& shape, halide_type_t type, void* data,
                        DimensionType dimension_type);
  static void destroy(Tensor* tensor);
  bool copyFromHostTensor(const Tensor* host);
  bool copyToHostTensor(Tensor* host) const;
  DimensionType getDimensionType() const;
  std::vector<int> shape() const;
  int size() const;
  halide_type_t getType() const { return buffer_.type; }
  template <typename Element>
  Element* host() const {
    return static_cast<Element*>(buffer_.host);
  }

 private:
  struct Buffer {
    std::uint64_t device;
    const void* interface;
    void* host;
    std::uint64_t flags;
    halide_type_t type;
    std::int32_t dimensions;
    void* axes;
    void* padding;
  };
  // Only MNN makes tensors.
  Tensor() = delete;
  Buffer buffer_;

  static_assert(sizeof(void*) != 8 || (offsetof(Buffer, host) == 16 && offsetof(Buffer, type) == 32 &&
                                       offsetof(Buffer, dimensions) == 40 &&
                                       offsetof(Buffer, axes) == 48));
};

static_assert(sizeof(halide_type_t) == 8);
static_assert(sizeof(void*) != 8 ||
              (offsetof(ScheduleConfig, type) == 24 && offsetof(ScheduleConfig, numThread) == 28 &&
               offsetof(ScheduleConfig, path) == 32 && offsetof(ScheduleConfig, backup_type) == 88 &&
               offsetof(ScheduleConfig, backendConfig) == 96));

class Session;
class Backend;

// One operator of a session, in a callback.
class MNN_PUBLIC OperatorInfo {
 public:
  OperatorInfo() = delete;
  const std::string& name() const;
  const std::string& type() const;
  float flops() const;
};

using TensorCallBackWithInfo =
    std::function<bool(const std::vector<Tensor*>& tensors, const OperatorInfo* info)>;

MNN_PUBLIC const char* getVersion();

class MNN_PUBLIC Interpreter {
 public:
  enum SessionMode { Session_Debug = 0, Session_Release = 1 };
  enum SessionInfoCode { BACKENDS = 2, THREAD_NUMBER = 4 };
  Interpreter() = delete;
  static Interpreter* createFromFile(const char* file);
  static Interpreter* createFromBuffer(const void* buffer, std::size_t size);
  static void destroy(Interpreter* interpreter);
  void setSessionMode(SessionMode mode);
  Session* createSession(const ScheduleConfig& config);
  ErrorCode runSession(Session* session) const;
  ErrorCode runSessionWithCallBackInfo(const Session* session,
                                       const TensorCallBackWithInfo& before,
                                       const TensorCallBackWithInfo& after, bool sync) const;
  bool getSessionInfo(const Session* session, SessionInfoCode code, void* found);
  const Backend* getBackend(const Session* session, const Tensor* tensor) const;
  const std::map<std::string, Tensor*>& getSessionOutputAll(const Session* session) const;
  const std::map<std::string, Tensor*>& getSessionInputAll(const Session* session) const;
};

}  // namespace MNN
