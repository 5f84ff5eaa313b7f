// PROTOCOL.md shows each message as this program writes it, byte for byte.
#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "messages.hpp"

using namespace runner;

namespace {

// The lines in its ```json blocks.
std::vector<std::string> examples() {
  std::vector<std::string> lines;
  std::ifstream file(PROTOCOL_MD);
  bool inside = false;
  for (std::string text; std::getline(file, text);) {
    if (text.rfind("```", 0) == 0) {
      inside = text == "```json";
    } else if (inside) {
      lines.push_back(text + "\n");
    }
  }
  return lines;
}

const std::string kSha256 = "5b1f7c0e2a9d4836e1c07f95b2d8a64391c5e0f7a3b26d48f90e1c7d5a3b8264";

// The same values as there, in the same order.
const std::vector<std::string> kWritten = {
    line(Hello{"0.1.0", "3.6.1", "aarch64", 4321}),
    line(Model{kSha256, {1, 3, 224, 224}, 31'000'000, 61.25, "fp32", 1, "session"}),
    line(Cpu{{7}, 7, 7}),
    line(Calibration{2.1e10, 20987654321.5}),
    line(Samples{{9'550'000, 9'560'000}, 19'111'000, 19'110'000, 0, std::nullopt}),
    line(Output{kSha256, std::map<std::string, std::string>{{"output", "AACAPwAAAMA="}}}),
    line(Done{2}),
    line(Pairs{{{9'550'000, 9'560'000}, {9'549'000, 9'558'000}, {100, 19'130'000}},
               {{9'570'000, 9'580'000}, {9'569'000, 9'578'000}, {9'550'200, 28'690'100}},
               38'270'200,
               38'269'000,
               0,
               std::nullopt}),
    line(Operators{{{"/stem/conv/Conv_output_0", "Convolution", {{1, 16, 112, 112}}, 5.419008},
                    {"/pool/GlobalAveragePool", "Pooling", {{1, 16, 1, 1}}, 0.200704}},
                   OperatorTimes{{180'000, 21'000},
                                 {184'000, 21'500},
                                 {70'000, 700, 12'000},
                                 {291'000, 288'000}}}),
    line(Backends{"vulkan", "vulkan", {{"cpu", 1}, {"vulkan", 63}}, {"Softmax"}, {"/head/Softmax_output_0"}, {}, Driver{"Adreno (TM) 640", false}}),
    line(Answers{{"output"}, {1000}, 64, 611'000'000}),
    line(Stages{2'100'000, 31'000'000, 14'200'000, 9'800'000, 900'000, 30'900'000, 14'100'000,
                9'790'000, 57'300'000, 55'900'000, 0, std::nullopt, 7, 1521, 0, 0,
                StageMemory{{6.5, 5.25, 6.5},
                            {12.5, 11.25, 12.5},
                            {20.75, 19.5, 22},
                            {26, 24.75, 26},
                            {26, 24.75, 26}}}),
    line(Second{1'000'300'000, 1'000'100'000, 3, 9'556'000, 9'551'000, 9'568'000, 9'568'000,
                9'549'000, 9'568'000, 28'660'000, 0, std::nullopt, 2, 1, 0, 7, 2'841'600,
                std::vector<std::int64_t>{9'549'000, 9'551'000, 9'568'000}}),
    line(Sustained{54'000, 1'800'009'000'000, 516'024'000'000, 12'000'000, std::nullopt, 31, 4, 12}),
    line(Error{"can't pin to core 7: Invalid argument"}),
};

}  // namespace

TEST(protocol, examples_are_what_is_written) {
  const std::vector<std::string> shown = examples();
  CHECK_EQ(shown.size(), kWritten.size());
  for (std::size_t at = 0; at < std::min(shown.size(), kWritten.size()); ++at) {
    CHECK_EQ(kWritten[at], shown[at]);
  }
}
