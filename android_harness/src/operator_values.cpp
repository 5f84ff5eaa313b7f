#include "operator_values.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "refused.hpp"

namespace runner {
namespace {

constexpr std::int32_t kMostAxes = 16;

struct Given {
  Shape shape;
  std::vector<float> values;
};

// By operator and input.
using GivenInputs = std::map<std::pair<std::size_t, std::size_t>, Given>;

std::size_t count_of(const Shape& shape) {
  std::size_t count = 1;
  for (const std::int64_t axis : shape) count *= static_cast<std::size_t>(axis);
  return count;
}

std::string shown(const Shape& shape) {
  std::string text = "(";
  for (std::size_t at = 0; at < shape.size(); ++at) {
    text += (at == 0 ? "" : ", ") + std::to_string(shape[at]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

// A file of 32-bit numbers that are read one after the other.
class Numbers {
 public:
  explicit Numbers(const std::string& path) : file_(path, std::ios::binary | std::ios::ate) {
    if (!file_) {
      throw Refused(std::string("can't read the operators' inputs: ") + std::strerror(errno));
    }
    left_ = static_cast<std::uint64_t>(file_.tellg());
    file_.seekg(0);
  }

  bool at_end() const { return left_ == 0; }

  std::int32_t integer(std::int32_t most) {
    std::int32_t value = 0;
    read(&value, 1);
    if (value < 0 || value > most) damaged();
    return value;
  }

  std::vector<float> floats(std::size_t count) {
    if (count > left_ / sizeof(float)) damaged();
    std::vector<float> values(count);
    read(values.data(), count);
    return values;
  }

 private:
  [[noreturn]] static void damaged() {
    throw Refused("the file of the operators' inputs is damaged, or was cut short");
  }

  void read(void* into, std::size_t count) {
    const std::uint64_t bytes = count * sizeof(float);
    file_.read(static_cast<char*>(into), static_cast<std::streamsize>(bytes));
    if (!file_) damaged();
    left_ -= bytes;
  }

  std::ifstream file_;
  std::uint64_t left_ = 0;
};

GivenInputs read_given(const std::string& path) {
  GivenInputs found;
  if (path.empty()) return found;
  Numbers numbers(path);
  while (!numbers.at_end()) {
    const auto of = static_cast<std::size_t>(numbers.integer(INT32_MAX));
    const auto input = static_cast<std::size_t>(numbers.integer(INT32_MAX));
    Given given;
    std::uint64_t count = 1;
    for (std::int32_t axes = numbers.integer(kMostAxes); axes > 0; --axes) {
      given.shape.push_back(numbers.integer(INT32_MAX));
      count *= static_cast<std::uint64_t>(given.shape.back());
      if (count > INT32_MAX) count = UINT64_MAX / INT32_MAX;  // more than a file has, and no overflow
    }
    given.values = numbers.floats(count);
    found[{of, input}] = std::move(given);
  }
  return found;
}

// Puts what is given for the operator into its inputs; takes a note of those that can't be written.
void put_given(const GivenInputs& inputs, std::size_t index, const Operator& running, Notes& notes) {
  const std::vector<Shape> shapes = running.shapes();
  for (auto at = inputs.lower_bound({index, 0}); at != inputs.end(); ++at) {
    const auto& [of, input] = at->first;
    if (of != index) return;
    const Given& given = at->second;
    const std::string which =
        "input " + std::to_string(input) + " of operator " + std::to_string(index);
    if (input >= shapes.size()) {
      throw Refused("there is no " + which + ", " + running.name() + ": it has " +
                    std::to_string(shapes.size()));
    }
    if (given.values.size() != count_of(shapes[input])) {
      throw Refused(which + ", " + running.name() + ", has the shape " + shown(shapes[input]) +
                    ", and " + shown(given.shape) + " was given");
    }
    if (given.values.empty()) continue;
    if (!running.put(input, given.values)) notes.kept(static_cast<std::int64_t>(input));
  }
}

}  // namespace

Notes write_operator_values(const Arguments& arguments, Session& session) {
  Notes notes;
  if (arguments.operator_values.empty()) return notes;
  const GivenInputs inputs = read_given(arguments.operator_inputs);
  std::ofstream file(arguments.operator_values, std::ios::binary | std::ios::trunc);
  std::size_t index = 0;
  session.run_by_operator({[&](const Operator& running) {
                             notes.before(running);
                             put_given(inputs, index, running, notes);
                           },
                           [&](const Operator& made) {
                             notes.after(made);
                             for (std::size_t at = 0; at < made.shapes().size(); ++at) {
                               const std::vector<float> values = made.values(at);
                               file.write(reinterpret_cast<const char*>(values.data()),
                                          static_cast<std::streamsize>(values.size() * sizeof(float)));
                             }
                             ++index;
                           }});
  if (!inputs.empty() && inputs.rbegin()->first.first >= index) {
    throw Refused("there is no operator " + std::to_string(inputs.rbegin()->first.first) +
                  " to give an input to: the model has " + std::to_string(index));
  }
  file.close();
  if (!file) throw Refused("can't write the operators' values: " + arguments.operator_values);
  return notes;
}

}  // namespace runner
