// A driver of Vulkan for tests: one device, a GPU, or the CPU with FAKE_SOFTWARE in the environment.
// libMNN_Vulkan.so is linked to it, as MNN's loads a driver.

#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {

std::int32_t vkCreateInstance(const void*, const void*, void** instance) {
  static int only;
  *instance = &only;
  return 0;
}

void vkDestroyInstance(void*, const void*) {}

std::int32_t vkEnumeratePhysicalDevices(void* instance, std::uint32_t* count, void** devices) {
  *devices = instance;
  *count = 1;
  return 5;  // VK_INCOMPLETE: there are others
}

// The five numbers and the name that VkPhysicalDeviceProperties begins with.
void vkGetPhysicalDeviceProperties(void*, unsigned char* told) {
  const bool is_software = std::getenv("FAKE_SOFTWARE") != nullptr;
  const std::int32_t type = is_software ? 4 : 2;
  std::memcpy(told + 16, &type, sizeof type);
  std::strcpy(reinterpret_cast<char*>(told + 20), is_software ? "fakepipe" : "Fake GPU");
}

void fake_vulkan() {}
}
