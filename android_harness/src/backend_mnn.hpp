// MNN's back ends: asked for by name, and read back.
#pragma once

#include <MNN/Interpreter.hpp>
#include <optional>
#include <string>

namespace runner {

// What MNN calls one of the back ends that --backend takes.
MNNForwardType forward_type(const std::string& backend);

// The name of one that MNN has chosen: as --backend has it, or `backend N`.
std::string backend_name(int type);

// Loads the library of a back end, which MNN's releases have beside libMNN.so and load themselves
// never. Returns why it can't be loaded, if so: the back end may still be in MNN's library itself.
std::optional<std::string> load_backend(const std::string& backend);

// The back end that holds a session's tensor; `nowhere` if none does.
std::string backend_of(const MNN::Interpreter& interpreter, const MNN::Session& session,
                       const MNN::Tensor& tensor);

}  // namespace runner
