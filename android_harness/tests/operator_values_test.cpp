// The values of operators: written as they are made, with inputs that were given.
#include "operator_values.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "check.hpp"
#include "launching.hpp"
#include "refused.hpp"

using namespace launching;

namespace {

using runner::Shape;

// Doubles its input, then adds one to each of two inputs, the sum's second being what was doubled.
class Doubling : public runner::Session {
 public:
  std::vector<TensorSpec> inputs() const override { return {}; }
  std::string precision() const override { return "fp32"; }
  std::int64_t threads() const override { return 1; }
  void feed(const Arrays&) override {}
  void run() override {}
  void run_by_operator(const runner::Watch& watch) override {
    Tensors input{{{1, 2}, {3, 5}}};
    watch.before(input);
    Tensors doubled{{{1, 2}, {2 * input.all[0].values[0], 2 * input.all[0].values[1]}}};
    watch.after(doubled);
    Tensors two{{{1}, {100}}, doubled.all[0]};
    watch.before(two);
    const Tensors made{{{1}, {two.all[0].values[0] + 1}}, {{2, 1}, two.all[1].values}};
    watch.after(made);
  }
  Outputs outputs() const override { return {}; }

 private:
  struct Tensor {
    Shape shape;
    std::vector<float> values;
  };
  struct Tensors : runner::Operator {
    Tensors(std::initializer_list<Tensor> given) : all(given) {}
    std::string name() const override { return "op"; }
    std::string type() const override { return "Fake"; }
    double flops_m() const override { return 0; }
    std::vector<Shape> shapes() const override {
      std::vector<Shape> found;
      for (const Tensor& each : all) found.push_back(each.shape);
      return found;
    }
    std::vector<float> values(std::size_t at) const override { return all.at(at).values; }
    bool put(std::size_t at, const std::vector<float>& values) const override {
      if (values.at(0) > 100) return false;
      all.at(at).values = values;
      return true;
    }
    mutable std::vector<Tensor> all;
  };
};

// An entry of a file of inputs.
std::string entry(const std::vector<std::int32_t>& numbers, const std::vector<float>& values) {
  std::string bytes(4 * (numbers.size() + values.size()), '\0');
  std::memcpy(bytes.data(), numbers.data(), 4 * numbers.size());
  if (!values.empty()) {
    std::memcpy(bytes.data() + 4 * numbers.size(), values.data(), 4 * values.size());
  }
  return bytes;
}

// What is written for these inputs.
std::vector<float> written(const Folder& folder, const std::string& given) {
  Arguments arguments;
  arguments.operator_values = folder.at("values");
  if (!given.empty()) {
    arguments.operator_inputs = folder.at("given");
    std::ofstream(arguments.operator_inputs, std::ios::binary) << given;
  }
  Doubling session;
  runner::write_operator_values(arguments, session);
  std::ifstream file(folder.at("values"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

bool are_near(const std::vector<float>& found, const std::vector<float>& wanted) {
  if (found.size() != wanted.size()) return false;
  for (std::size_t at = 0; at < wanted.size(); ++at) {
    if (std::fabs(found[at] - wanted[at]) > 0.01F) return false;
  }
  return true;
}

std::string refused_with(const std::string& given) {
  const Folder folder;
  return check::refusal([&] { written(folder, given); });
}

}  // namespace

TEST(operator_values, all_outputs_of_all_operators_are_written_in_order) {
  const Folder folder;
  CHECK(written(folder, "") == std::vector<float>({6, 10, 101, 6, 10}));
}

TEST(operator_values, given_inputs_are_put_in_before_their_operator_runs) {
  const Folder folder;
  const std::string both = entry({1, 1, 1, 2}, {-1, -2}) + entry({0, 0, 2, 1, 2}, {7, 8});
  CHECK(are_near(written(folder, both), {14, 16, 101, -1, -2}));
  CHECK(are_near(written(folder, entry({1, 0, 0}, {4})), {6, 10, 5, 6, 10}));
}

TEST(operator_values, without_a_file_to_write_nothing_is_run) {
  class Never : public Doubling {
    void run_by_operator(const runner::Watch&) override { std::abort(); }
  } session;
  runner::write_operator_values({}, session);
}

TEST(operator_values, inputs_that_are_none_of_the_model_are_refused) {
  CHECK_EQ(refused_with(entry({2, 0, 0}, {1})),
           "there is no operator 2 to give an input to: the model has 2");
  CHECK_EQ(refused_with(entry({1, 2, 0}, {1})), "there is no input 2 of operator 1, op: it has 2");
  CHECK_EQ(refused_with(entry({0, 0, 1, 3}, {1, 2, 3})),
           "input 0 of operator 0, op, has the shape (1, 2), and (3,) was given");
}

TEST(operator_values, an_input_that_can_not_be_written_keeps_what_it_holds_and_is_told) {
  const Folder folder;
  Arguments arguments;
  arguments.operator_values = folder.at("values");
  arguments.operator_inputs = folder.at("given");
  std::ofstream(arguments.operator_inputs, std::ios::binary)
      << entry({1, 0, 0}, {200}) + entry({1, 1, 2, 1, 2}, {7, 8});
  Doubling session;
  const std::vector<runner::NotedOperator> found =
      runner::write_operator_values(arguments, session).found();
  CHECK(found.at(0).kept.empty());
  CHECK(found.at(1).kept == std::vector<std::int64_t>({0}));
  const std::string told = line(runner::Operators{found, std::nullopt});
  CHECK(told.find("\"kept\":[[],[0]]}") != std::string::npos);
  CHECK(line(runner::Operators{{found.at(0)}, std::nullopt}).find("kept") == std::string::npos);
  CHECK(are_near(written(folder, entry({1, 0, 0}, {200})), {6, 10, 101, 6, 10}));
}

TEST(operator_values, a_file_that_was_cut_or_is_something_else_is_refused) {
  const std::string whole = entry({0, 0, 2, 1, 2}, {7, 8});
  const std::string why = "the file of the operators' inputs is damaged, or was cut short";
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CHECK_EQ(refused_with(whole.substr(0, size)), why);
  }
  CHECK_EQ(refused_with(entry({-1, 0, 0}, {1})), why);
  CHECK_EQ(refused_with(entry({0, 0, 17}, {1})), why);
  CHECK_EQ(refused_with(entry({0, 0, 4, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}, {1})), why);
}

TEST(operator_values, files_that_can_not_be_read_or_written_are_named) {
  Doubling session;
  Arguments arguments;
  arguments.operator_values = "/nowhere/values";
  CHECK_EQ(check::refusal([&] { runner::write_operator_values(arguments, session); }),
           "can't write the operators' values: /nowhere/values");
  arguments.operator_inputs = "/nowhere/given";
  CHECK_EQ(check::refusal([&] { runner::write_operator_values(arguments, session); }),
           "can't read the operators' inputs: No such file or directory");
}
