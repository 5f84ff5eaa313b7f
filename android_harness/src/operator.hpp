// One operator of a model, while the engine runs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace runner {

using Shape = std::vector<std::int64_t>;

// An operator that is about to run, with its inputs, or has just run, with its outputs.
class Operator {
 public:
  virtual ~Operator() = default;

  virtual std::string name() const = 0;
  virtual std::string type() const = 0;
  // The engine's estimate of its work, in 10^6.
  virtual double flops_m() const = 0;
  // Which back end ran it, by the memory that its outputs are in: "cpu", or the engine's word.
  virtual std::string backend() const { return "cpu"; }
  // Of its tensors.
  virtual std::vector<Shape> shapes() const = 0;
  // Throws Refused for a tensor that holds no numbers, as does put().
  virtual std::vector<float> values(std::size_t tensor) const = 0;
  // `values` has as many elements as the tensor. Returns false where the engine's memory can't be
  // written: the tensor then keeps what it holds.
  virtual bool put(std::size_t tensor, const std::vector<float>& values) const = 0;
};

// What is called around each operator of a run.
struct Watch {
  std::function<void(const Operator&)> before;
  std::function<void(const Operator&)> after;
};

// What is told of an operator.
struct NotedOperator {
  std::string name;
  std::string type;
  std::vector<Shape> shapes;  // of its outputs
  double flops_m = 0;
  std::vector<std::int64_t> kept = {};  // inputs that should have been given others
};

// Takes a note of each operator of a run.
class Notes {
 public:
  void before(const Operator& seen) {
    found_.push_back({seen.name(), seen.type(), {}, seen.flops_m(), {}});
  }
  void after(const Operator& seen) { found_.back().shapes = seen.shapes(); }
  // The operator that is about to run keeps an input that should have been given.
  void kept(std::int64_t input) { found_.back().kept.push_back(input); }
  const std::vector<NotedOperator>& found() const { return found_; }

 private:
  std::vector<NotedOperator> found_;
};

}  // namespace runner
