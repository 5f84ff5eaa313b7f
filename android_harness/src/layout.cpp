#include "layout.hpp"

#include <MNN/Interpreter.hpp>
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "refused.hpp"
#include "session_mnn.hpp"

namespace runner {
namespace {

halide_type_t float32() {
  halide_type_t type{};
  type.code = halide_type_float;
  type.bits = 32;
  type.lanes = 1;
  return type;
}

// Of a type read from elsewhere, anything may be in it.
bool is_float32(const halide_type_t& type) {
  return type.code == halide_type_float && type.bits == 32 && type.lanes == 1;
}

}  // namespace

void check_layout() {
  const std::vector<int> shape = {1, 2, 3, 5};
  constexpr std::size_t kCount = 30;
  std::vector<float> known(kCount);
  for (std::size_t at = 0; at < kCount; ++at) known[at] = 0.5F * static_cast<float>(at) - 3;
  const HostTensor given(MNN::Tensor::create(shape, float32(), known.data(), MNN::Tensor::CAFFE));
  const HostTensor made(MNN::Tensor::create(shape, float32(), nullptr, MNN::Tensor::CAFFE));
  bool same = true;
  for (const HostTensor* tensor : {&given, &made}) {
    same = same && *tensor && (*tensor)->shape() == shape && is_float32((*tensor)->getType()) &&
           (*tensor)->getDimensionType() == MNN::Tensor::CAFFE &&
           (*tensor)->host<float>() != nullptr;
  }
  same = same && std::equal(known.begin(), known.end(), given->host<float>());
  if (!same) {
    throw Refused(
        "MNN's tensors don't lie in memory as this runner expects: build it with MNN's headers "
        "(asymm-deploy runner build --mnn-include-dir FOLDER)");
  }
}

}  // namespace runner
