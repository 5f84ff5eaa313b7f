#include "driver.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace runner {
namespace {

// The few types and numbers of vulkan_core.h and cl.h that are needed; both interfaces are fixed.
using Handle = void*;

constexpr std::int32_t kVkInstanceCreateInfo = 1;  // VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
constexpr std::int32_t kVkIncomplete = 5;
constexpr std::int32_t kVkDeviceIsCpu = 4;  // VK_PHYSICAL_DEVICE_TYPE_CPU
constexpr std::size_t kVkNameSize = 256;

struct VkInstanceCreateInfo {
  std::int32_t type;
  const void* next;
  std::uint32_t flags;
  const void* application;
  std::uint32_t layer_count;
  const char* const* layers;
  std::uint32_t extension_count;
  const char* const* extensions;
};

struct VkPhysicalDeviceProperties {
  std::uint32_t versions_and_ids[4];
  std::int32_t device_type;
  char device_name[kVkNameSize];
  unsigned char more[2048];  // limits, of which nothing is read; Vulkan writes less
};

constexpr std::uint64_t kClTypeCpu = 1U << 1;
constexpr std::uint64_t kClTypeGpu = 1U << 2;
constexpr std::uint64_t kClTypeAll = 0xFFFFFFFF;
constexpr std::uint32_t kClDeviceType = 0x1000;
constexpr std::uint32_t kClDeviceName = 0x102B;

// The library as it is in memory: what MNN has loaded, and no other.
void* loaded_library(const std::vector<const char*>& names) {
  for (const char* name : names) {
    if (void* library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD)) return library;
  }
  return nullptr;
}

template <typename Function>
Function function(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

std::string text_of(const char* text, std::size_t most) { return {text, strnlen(text, most)}; }

std::optional<Driver> driver_of_vulkan() {
  void* library = loaded_library({"libvulkan.so", "libvulkan.so.1"});
  if (library == nullptr) return {};
  const auto create = function<std::int32_t (*)(const VkInstanceCreateInfo*, const void*, Handle*)>(
      library, "vkCreateInstance");
  const auto enumerate = function<std::int32_t (*)(Handle, std::uint32_t*, Handle*)>(
      library, "vkEnumeratePhysicalDevices");
  const auto properties = function<void (*)(Handle, VkPhysicalDeviceProperties*)>(
      library, "vkGetPhysicalDeviceProperties");
  const auto destroy = function<void (*)(Handle, const void*)>(library, "vkDestroyInstance");
  if (!create || !enumerate || !properties || !destroy) return {};
  VkInstanceCreateInfo asked{};
  asked.type = kVkInstanceCreateInfo;
  Handle instance = nullptr;
  if (create(&asked, nullptr, &instance) != 0) return {};
  std::optional<Driver> found;
  std::uint32_t count = 1;
  Handle device = nullptr;
  const std::int32_t code = enumerate(instance, &count, &device);
  if ((code == 0 || code == kVkIncomplete) && count > 0) {
    VkPhysicalDeviceProperties told{};
    properties(device, &told);
    found = Driver{text_of(told.device_name, kVkNameSize), told.device_type == kVkDeviceIsCpu};
  }
  destroy(instance, nullptr);
  return found;
}

std::optional<Driver> driver_of_opencl() {
  // Where MNN looks for it.
  void* library = loaded_library(
      {"libOpenCL.so", "/usr/lib/libOpenCL.so", "/usr/local/lib/libOpenCL.so", "/usr/lib64/libOpenCL.so",
       "/system/vendor/lib64/libOpenCL.so", "/system/lib64/libOpenCL.so", "libOpenCL.so.1"});
  if (library == nullptr) return {};
  const auto platforms = function<std::int32_t (*)(std::uint32_t, Handle*, std::uint32_t*)>(
      library, "clGetPlatformIDs");
  const auto devices =
      function<std::int32_t (*)(Handle, std::uint64_t, std::uint32_t, Handle*, std::uint32_t*)>(
          library, "clGetDeviceIDs");
  const auto info =
      function<std::int32_t (*)(Handle, std::uint32_t, std::size_t, void*, std::size_t*)>(
          library, "clGetDeviceInfo");
  if (!platforms || !devices || !info) return {};
  Handle listed[16] = {};
  std::uint32_t count = 0;
  if (platforms(16, listed, &count) != 0) return {};
  if (count > 16) count = 16;
  // An MNN that was changed takes others too, where there is no GPU.
  for (const std::uint64_t type : {kClTypeGpu, kClTypeAll}) {
    for (std::uint32_t at = 0; at < count; ++at) {
      Handle device = nullptr;
      std::uint32_t there = 0;
      if (devices(listed[at], type, 1, &device, &there) != 0 || there == 0) continue;
      std::uint64_t kind = 0;
      char name[256] = {};
      if (info(device, kClDeviceType, sizeof kind, &kind, nullptr) != 0) return {};
      info(device, kClDeviceName, sizeof name - 1, name, nullptr);
      return Driver{text_of(name, sizeof name), (kind & kClTypeCpu) != 0};
    }
  }
  return {};
}

}  // namespace

std::optional<Driver> driver_of(const std::string& backend) {
  if (backend == "vulkan") return driver_of_vulkan();
  if (backend == "opencl") return driver_of_opencl();
  return {};
}

}  // namespace runner
