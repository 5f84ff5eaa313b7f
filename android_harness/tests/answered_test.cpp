// A launch that answers samples: each is run once, and its outputs are written after the last one's.
#include "answered.hpp"

#include <cstring>
#include <iterator>

#include "check.hpp"
#include "launching.hpp"
#include "refused.hpp"

using namespace launching;

namespace {

Engine engine(std::function<void()> running = [] {}) {
  return {"1.0", [=](const Arguments&) -> std::unique_ptr<runner::Session> {
            return std::make_unique<FakeSession>(running,
                                                 std::vector<TensorSpec>{{"x", {1, 2}, "float32"}});
          }};
}

// Asks for the answers to these samples of two values each.
Arguments about(const Folder& folder, const std::vector<float>& samples) {
  Arguments arguments = asked(folder);
  arguments.inputs = {{"x", {2}, "float32"}};
  arguments.inputs_file = folder.at("given");
  arguments.answers = folder.at("values");
  std::ofstream file(arguments.inputs_file, std::ios::binary);
  file.write(reinterpret_cast<const char*>(samples.data()),
             static_cast<std::streamsize>(samples.size() * sizeof(float)));
  return arguments;
}

std::vector<float> written(const Folder& folder) {
  std::ifstream file(folder.at("values"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<float> values(bytes.size() / 4);
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string refused_with(const Arguments& arguments) {
  return check::refusal([&] { runner::launch_answers(arguments, engine(), [](const auto&) {}); });
}

}  // namespace

TEST(answered, each_sample_is_run_once_and_all_outputs_are_written_in_order) {
  const Folder folder;
  int runs = 0;
  std::vector<std::string> lines;
  runner::launch_answers(about(folder, {1, 2, 3, 5, 7, 9}), engine([&] { ++runs; }),
                         [&](const std::string& line) { lines.push_back(line); });
  CHECK_EQ(runs, 3);
  CHECK(written(folder) == std::vector<float>({3, -1, -2, 8, -3, -5, 16, -7, -9}));
  CHECK_EQ(lines.size(), std::size_t{4});
  CHECK(starts_with(lines[0], "{\"type\":\"hello\""));
  CHECK(starts_with(lines[1], "{\"type\":\"model\""));
  CHECK(starts_with(lines[2],
                    R"({"type":"answers","names":["Sum","negative"],"sizes":[1,2],"count":3,"cpu_ns":)"));
  CHECK_EQ(lines[3], "{\"type\":\"done\",\"count\":3}\n");
}

TEST(answered, a_file_without_whole_samples_is_refused) {
  const Folder folder;
  CHECK_EQ(refused_with(about(folder, {})),
           "the inputs file has 0 bytes, not a multiple of the 8 of the inputs");
  CHECK_EQ(refused_with(about(folder, {1, 2, 3})),
           "the inputs file has 12 bytes, not a multiple of the 8 of the inputs");
}

TEST(answered, a_file_that_can_not_be_written_is_named) {
  const Folder folder;
  Arguments arguments = about(folder, {1, 2});
  arguments.answers = "/nowhere/values";
  CHECK_EQ(refused_with(arguments), "can't write the answers: /nowhere/values");
  if (std::ifstream("/dev/full")) {
    arguments.answers = "/dev/full";
    CHECK_EQ(refused_with(arguments), "can't write the answers: /dev/full");
  }
}
