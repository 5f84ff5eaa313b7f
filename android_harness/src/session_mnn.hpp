// What MNN's two interfaces have in common.
#pragma once

#include <MNN/Interpreter.hpp>
#include <memory>
#include <string>

#include "session.hpp"

namespace runner {

struct DestroyMnn {
  void operator()(MNN::Interpreter* interpreter) const { MNN::Interpreter::destroy(interpreter); }
  void operator()(MNN::Tensor* tensor) const { MNN::Tensor::destroy(tensor); }
};

using HostTensor = std::unique_ptr<MNN::Tensor, DestroyMnn>;
using Interpreter = std::unique_ptr<MNN::Interpreter, DestroyMnn>;

[[noreturn]] void unloadable();

MNN::BackendConfig::PrecisionMode precision_mode(const Arguments& arguments);

// numpy's name of a tensor's type. Throws Refused for a type that holds no numbers.
std::string dtype_of(halide_type_t type);

TensorSpec spec_of(const std::string& name, const MNN::Tensor& tensor);

// A tensor in plain order to copy this one to or from: MNN's own may be packed by channels.
HostTensor plain_tensor(const MNN::Tensor& tensor);

// A session on what the interpreter has loaded.
std::unique_ptr<Session> open_session(Interpreter interpreter, const Arguments& arguments);

// The model in MNN's Module API, which runs the loops and branches that a session can't. Throws
// Refused in a build with an MNN that lacks it.
std::unique_ptr<Session> open_module(const Arguments& arguments);

}  // namespace runner
