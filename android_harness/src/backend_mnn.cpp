#include "backend_mnn.hpp"

#include <dlfcn.h>

#include <cstring>
#include <type_traits>

namespace runner {
namespace {

constexpr int kCpu = 0;  // MNNForwardType in MNN/MNNForwardType.h
constexpr int kOpenCl = 3;
constexpr int kVulkan = 7;
constexpr int kCpuExtension = 13;

}  // namespace

MNNForwardType forward_type(const std::string& backend) {
  return static_cast<MNNForwardType>(backend == "opencl"   ? kOpenCl
                                     : backend == "vulkan" ? kVulkan
                                                           : kCpu);
}

std::string backend_name(int type) {
  switch (type) {
    case kCpu:
    case kCpuExtension:
      return "cpu";
    case kOpenCl:
      return "opencl";
    case kVulkan:
      return "vulkan";
    default:
      return "backend " + std::to_string(type);
  }
}

std::optional<std::string> load_backend(const std::string& backend) {
  const char* library = backend == "opencl"   ? "libMNN_CL.so"
                        : backend == "vulkan" ? "libMNN_Vulkan.so"
                                              : nullptr;
  if (library == nullptr || dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nullptr) return {};
  const char* why = dlerror();
  return why == nullptr ? std::string(library) + " can't be loaded" : why;
}

std::string backend_of(const MNN::Interpreter& interpreter, const MNN::Session& session,
                       const MNN::Tensor& tensor) {
  const void* held_by = interpreter.getBackend(&session, &tensor);
  if (held_by == nullptr) return "nowhere";
  // MNN hands out its back end and declares the class in no header that it ships. In 3.6.1 it begins
  // with its virtual functions and a string; its MNNForwardType comes next, which never changes.
  int type = -1;
  std::memcpy(&type, static_cast<const char*>(held_by) + sizeof(void*) + sizeof(std::string), sizeof(type));
  return backend_name(type);
}

}  // namespace runner
