// What whole launches are tested with: a session that computes something simple, and a folder.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "launch.hpp"
#include "session.hpp"

namespace launching {

using runner::Arguments;
using runner::Arrays;
using runner::Engine;
using runner::Outputs;
using runner::TensorSpec;

// Outputs "negative" and "Sum" of its input, and tells of each run before it begins.
class FakeSession : public runner::Session {
 public:
  explicit FakeSession(std::function<void()> running, std::vector<TensorSpec> inputs)
      : running_(std::move(running)), inputs_(std::move(inputs)) {}
  std::vector<TensorSpec> inputs() const override { return inputs_; }
  std::string precision() const override { return "fp32"; }
  std::int64_t threads() const override { return 1; }
  void feed(const Arrays& arrays) override { fed_ = runner::as_floats(arrays.at("x")); }
  void run() override {
    running_();
    negative_.clear();
    sum_ = 0;
    for (const float value : fed_) {
      negative_.push_back(-value);
      sum_ += value;
    }
  }
  Outputs outputs() const override { return {{"negative", negative_}, {"Sum", {sum_}}}; }

 private:
  std::function<void()> running_;
  std::vector<TensorSpec> inputs_;
  std::vector<float> fed_;
  std::vector<float> negative_;
  float sum_ = 0;
};

// A new folder, gone with what is in it.
class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) std::abort();
  }
  ~Folder() {
    for (const char* name : {"model", "other", "input", "output", "given", "values"}) std::remove(at(name).c_str());
    rmdir(path_.c_str());
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ =
      (std::getenv("TMPDIR") ? std::getenv("TMPDIR") : std::string("/tmp")) + "/runner-test-XXXXXX";
};

// What a launch of a model in the folder is asked for.
inline Arguments asked(const Folder& folder) {
  std::ofstream(folder.at("model")) << "abc";
  Arguments arguments;
  arguments.model = folder.at("model");
  arguments.engine = "mnn";
  arguments.precision = "fp32";
  arguments.runs = 3;
  arguments.warmup = 2;
  arguments.threads = 1;
  return arguments;
}

inline bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

}  // namespace launching
