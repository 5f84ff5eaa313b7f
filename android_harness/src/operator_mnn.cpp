#include "operator_mnn.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "array.hpp"
#include "eight_bits.hpp"
#include "refused.hpp"
#include "session_mnn.hpp"

namespace runner {
namespace {

// Whether these values are those that were given, but for rounding to fp16.
bool is_same(const std::vector<float>& held, const std::vector<float>& given) {
  constexpr float kRounding = 1e-2F;
  constexpr float kMostInHalf = 65504;
  float largest = 0;
  for (const float value : given) largest = std::max(largest, std::fabs(value));
  for (std::size_t at = 0; at < given.size(); ++at) {
    const bool beyond = !(std::fabs(given[at]) <= kMostInHalf);  // NaN too
    if (!beyond && !(std::fabs(held[at] - given[at]) <= kRounding * largest)) return false;
  }
  return true;
}

class MnnOperator : public Operator {
 public:
  MnnOperator(const std::vector<MNN::Tensor*>& tensors, const MNN::OperatorInfo& info,
              const Callbacks::BackendOf& backend_of)
      : tensors_(tensors), info_(info), backend_of_(backend_of) {}

  std::string name() const override { return info_.name(); }
  std::string type() const override { return info_.type(); }
  double flops_m() const override { return static_cast<double>(info_.flops()); }

  // No operator is run by two: of several outputs the first tells.
  std::string backend() const override {
    return tensors_.empty() ? "nowhere" : backend_of_(*tensors_.front());
  }

  std::vector<Shape> shapes() const override {
    std::vector<Shape> found;
    for (const MNN::Tensor* tensor : tensors_) {
      const std::vector<int> shape = tensor->shape();
      found.emplace_back(shape.begin(), shape.end());
    }
    return found;
  }

  std::vector<float> values(std::size_t at) const override {
    const MNN::Tensor& tensor = *tensors_.at(at);
    const TensorSpec spec = spec_of("", tensor);
    if (spec.count() == 0) return {};
    const HostTensor host = plain_tensor(tensor);
    Array array{spec.dtype, std::vector<unsigned char>(spec.count() * size_of(spec.dtype))};
    if (!tensor.copyToHostTensor(host.get())) {
      throw Refused("MNN can't copy an output of the operator '" + name() + "'");
    }
    std::memcpy(array.bytes.data(), host->host<void>(), array.bytes.size());
    return as_floats(array);
  }

  bool put(std::size_t at, const std::vector<float>& values) const override {
    MNN::Tensor& tensor = *tensors_.at(at);
    if (reads_8_bits(type())) {
      return write_in_8_bits(tensor.host<void>(), shapes()[at], this->values(at), values);
    }
    const HostTensor host = plain_tensor(tensor);
    Array array{"float32", std::vector<unsigned char>(values.size() * sizeof(float))};
    std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
    convert(array, dtype_of(tensor.getType()), host->host<void>());
    if (!tensor.copyFromHostTensor(host.get())) {
      throw Refused("MNN can't copy an input of the operator '" + name() + "'");
    }
    // Into a tensor of 8 bits MNN writes something else, and says nothing.
    if (!is_same(this->values(at), values)) {
      throw Refused("MNN doesn't take values into input " + std::to_string(at) + " of the operator '" +
                    name() + "': it keeps them in 8 bits");
    }
    return true;
  }

 private:
  const std::vector<MNN::Tensor*>& tensors_;
  const MNN::OperatorInfo& info_;
  const Callbacks::BackendOf& backend_of_;
};

}  // namespace

MNN::TensorCallBackWithInfo Callbacks::before() {
  return [this](const Tensors& tensors, const MNN::OperatorInfo* info) {
    return call(watch_.before, tensors, *info);
  };
}

MNN::TensorCallBackWithInfo Callbacks::after() {
  return [this](const Tensors& tensors, const MNN::OperatorInfo* info) {
    return call(watch_.after, tensors, *info);
  };
}

void Callbacks::rethrow() const {
  if (failure_) std::rethrow_exception(failure_);
}

bool Callbacks::call(const std::function<void(const Operator&)>& callback, const Tensors& tensors,
                     const MNN::OperatorInfo& info) {
  if (failure_) return false;
  try {
    callback(MnnOperator(tensors, info, backend_of_));
    return true;
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

}  // namespace runner
