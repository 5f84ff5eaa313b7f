// A whole launch by a session that computes something simple: which messages, in which order, with
// what in them.
#include "launch.hpp"

#include <fstream>
#include <sstream>

#include "check.hpp"
#include "launching.hpp"
#include "sha256.hpp"

using namespace launching;

namespace {

Engine engine(int& runs, const std::vector<TensorSpec>& inputs = {{"x", {1, 4}, "float32"}}) {
  return {"1.0", [&runs, inputs](const Arguments&) {
            return std::make_unique<FakeSession>([&runs] { ++runs; }, inputs);
          }};
}

std::vector<std::string> sent(const Arguments& arguments, const Engine& engine) {
  std::vector<std::string> lines;
  runner::launch(arguments, engine, [&](const std::string& line) { lines.push_back(line); });
  return lines;
}

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST(launch, sends_each_message_once_and_in_order) {
  const Folder folder;
  int runs = 0;
  const auto lines = sent(asked(folder), engine(runs));
  CHECK_EQ(lines.size(), 7U);
  CHECK(starts_with(lines[0], R"({"type":"hello","protocol":1,"runner":"native",)"));
  CHECK(starts_with(
      lines[1],
      R"({"type":"model","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",)"
      R"("input_shape":[1,4],"init_ns":)"));
  CHECK(starts_with(lines[2], R"({"type":"cpu","asked":[],"before":)"));
  CHECK(starts_with(lines[3], R"({"type":"calibration","before_mac_per_s":)"));
  CHECK(starts_with(lines[4], R"({"type":"samples","ns":[)"));
  CHECK(starts_with(lines[5], R"({"type":"output","sha256":")"));
  CHECK(lines[5].find("values") == std::string::npos);
  CHECK_EQ(lines[6], "{\"type\":\"done\",\"count\":3}\n");
  CHECK_EQ(runs, 5);
}

TEST(launch, hashes_the_outputs_in_byte_order_of_their_names) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.input_file = folder.at("input");
  arguments.output_file = folder.at("output");
  arguments.output_values = true;
  const float input[4] = {1, 2, 3, 4.5};
  std::ofstream(folder.at("input"), std::ios::binary)
      .write(reinterpret_cast<const char*>(input), sizeof input);
  int runs = 0;
  const auto lines = sent(arguments, engine(runs));
  const float outputs[5] = {10.5, -1, -2, -3, -4.5};  // "Sum" comes before "negative"
  const std::string bytes(reinterpret_cast<const char*>(outputs), sizeof outputs);
  runner::Sha256 hash;
  hash.update(bytes.data(), bytes.size());
  CHECK_EQ(lines[5], "{\"type\":\"output\",\"sha256\":\"" + hash.hex() +
                         "\",\"values\":{\"Sum\":\"AAAoQQ==\","
                         "\"negative\":\"AACAvwAAAMAAAEDAAACQwA==\"}}\n");
  CHECK_EQ(contents(folder.at("output")), bytes);
}

TEST(launch, takes_an_input_file_only_of_the_right_size) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.input_file = folder.at("input");
  int runs = 0;
  for (const std::size_t size : {0U, 15U, 17U}) {
    std::ofstream(folder.at("input"), std::ios::binary) << std::string(size, '\0');
    CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
             "the input file must have 16 bytes: " + folder.at("input"));
  }
  arguments.input_file = folder.at("nothing");
  CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
           "can't read the input file " + folder.at("nothing"));
}

TEST(launch, runs_on_the_recorded_input_whatever_axes_of_length_one_it_has) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.inputs = {{"x", {4}, "uint8"}};
  arguments.inputs_file = folder.at("input");
  arguments.output_values = true;
  arguments.api = "module";
  std::ofstream(folder.at("input"), std::ios::binary) << std::string("\x01\x02\x03\xff");
  int runs = 0;
  const auto lines = sent(arguments, engine(runs));
  CHECK(lines[1].find("\"input_shape\":[4]") != std::string::npos);
  CHECK(lines[1].find("\"threads\":1,\"api\":\"module\"}") != std::string::npos);
  CHECK(lines[5].find("\"Sum\":\"AICCQw==\"") != std::string::npos);  // 261
}

TEST(launch, takes_an_inputs_file_only_of_the_right_size) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.inputs_file = folder.at("input");
  int runs = 0;
  CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
           "--inputs-file needs an --input for each input of the model");
  arguments.inputs = {{"x", {1, 4}, "int64"}};
  CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
           "can't read the inputs file: No such file or directory");
  for (const char* size : {"0", "31", "33"}) {
    std::ofstream(folder.at("input"), std::ios::binary) << std::string(std::stoul(size), '\0');
    CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
             std::string("the inputs file has ") + size + " bytes, not the 32 of the inputs");
  }
}

TEST(launch, refuses_inputs_that_the_model_does_not_have) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.inputs = {{"x", {1, 4}, "float32"}, {"y", {2}, "float32"}};
  int runs = 0;
  CHECK_EQ(check::refusal([&] { sent(arguments, engine(runs)); }),
           "the model's inputs are {'x': (1, 4)}, not {'x': (1, 4), 'y': (2,)}");
}

TEST(launch, refuses_a_model_without_a_fixed_shape) {
  const Folder folder;
  int runs = 0;
  CHECK_EQ(check::refusal([&] { sent(asked(folder), engine(runs, {{"x", {-1, 4}, "float32"}})); }),
           "the model's input 'x' has no fixed shape");
}

TEST(launch, says_hello_before_anything_that_can_fail) {
  Arguments arguments;
  arguments.model = "/nowhere/model.mnn";
  arguments.runs = 1;
  int runs = 0;
  std::vector<std::string> lines;
  const auto keep = [&](const std::string& line) { lines.push_back(line); };
  CHECK_EQ(check::refusal([&] { runner::launch(arguments, engine(runs), keep); }),
           "can't read the model: No such file or directory");
  CHECK_EQ(lines.size(), 1U);
}

TEST(launch, without_an_engine_says_how_to_get_one) {
  const Folder folder;
  const std::string why = check::refusal([&] { sent(asked(folder), {"none", nullptr}); });
  CHECK(starts_with(why, "this runner was built without MNN"));
  CHECK(why.find("asymm-deploy runner build --mnn-root") != std::string::npos);
  CHECK(why.size() < 200);
}

TEST(launch, calibrates_without_a_model) {
  std::vector<std::string> lines;
  runner::calibrate({}, {"none", nullptr}, [&](const std::string& line) { lines.push_back(line); });
  CHECK_EQ(lines.size(), 4U);
  CHECK(lines[0].find("\"engine_version\":\"none\"") != std::string::npos);
  CHECK(starts_with(lines[1], R"({"type":"cpu",)"));
  CHECK(starts_with(lines[2], R"({"type":"calibration",)"));
  CHECK_EQ(lines[3], "{\"type\":\"done\",\"count\":0}\n");
}
