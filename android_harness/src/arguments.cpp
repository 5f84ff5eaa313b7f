#include "arguments.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "array.hpp"
#include "refused.hpp"

namespace runner {
namespace {

constexpr std::int64_t kMaxRuns = 1'000'000;  // the limits of wire.py, these three
constexpr std::int64_t kMaxThreads = 65535;
constexpr std::int64_t kMaxCore = 65535;
constexpr double kMostSeconds = 86400;
constexpr double kMostEveryMs = 60000;
constexpr std::int64_t kMaxAxis = std::int64_t{1} << 31;

// Thrown for a value; the option's name is put before it.
struct Invalid {
  std::string why;
};

std::int64_t integer(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const bool huge = error == std::errc::result_out_of_range;
  if ((error != std::errc() && !huge) || stop != end) {
    throw Invalid{"invalid int value: '" + std::string(text) + "'"};
  }
  if (huge || value < least || value > most) {
    throw Invalid{"not in " + std::to_string(least) + ".." + std::to_string(most) + ": '" +
                  std::string(text) + "'"};
  }
  return value;
}

double positive(std::string_view given) {
  const std::string text(given);
  char* stop = nullptr;
  const double value = std::strtod(text.c_str(), &stop);
  // Python's float() knows no hexadecimal numbers, and no nan(7).
  const bool number = !text.empty() && *stop == '\0' && text.find_first_of("xX(") == text.npos;
  if (!number) throw Invalid{"invalid float value: '" + text + "'"};
  if (!(value > 0) || std::isinf(value)) {
    throw Invalid{"not a positive finite number: '" + text + "'"};
  }
  return value;
}

double up_to(std::string_view text, double most) {
  const double value = positive(text);
  if (value > most) {
    throw Invalid{"more than " + std::to_string(static_cast<std::int64_t>(most)) + ": '" +
                  std::string(text) + "'"};
  }
  return value;
}

// Any integer, modulo 2**64: Python's seeds have no limit.
std::uint64_t seed(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    throw Invalid{"invalid int value: '" + std::string(text) + "'"};
  }
  std::uint64_t value = 0;
  for (const char digit : digits) value = 10 * value + static_cast<std::uint64_t>(digit - '0');
  return negative ? 0 - value : value;
}

std::vector<std::int64_t> integers(std::string_view text, std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> values;
  while (true) {
    const std::size_t comma = text.find(',');
    values.push_back(integer(text.substr(0, comma), least, most));
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

std::vector<int> cores(std::string_view text) {
  if (text == "none") return {};
  const std::vector<std::int64_t> listed = integers(text, 0, kMaxCore);
  return {listed.begin(), listed.end()};
}

// Parses float32:1,3,224,224:NAME; the name is last because it may hold any character.
TensorSpec input(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == text.npos ? text.npos : text.find(':', first + 1);
  if (second == text.npos) throw Invalid{"invalid input: '" + std::string(text) + "'"};
  TensorSpec spec;
  spec.dtype = text.substr(0, first);
  if (size_of(spec.dtype) == 0) throw Invalid{"unknown type: '" + spec.dtype + "'"};
  const std::string_view shape = text.substr(first + 1, second - first - 1);
  if (!shape.empty()) spec.shape = integers(shape, 0, kMaxAxis);
  spec.name = text.substr(second + 1);
  return spec;
}

std::string one_of(std::string_view text, const std::vector<std::string>& choices) {
  std::string listed;
  for (const std::string& choice : choices) {
    if (text == choice) return choice;
    listed += (listed.empty() ? "'" : ", '") + choice + "'";
  }
  throw Invalid{"invalid choice: '" + std::string(text) + "' (choose from " + listed + ")"};
}

// A module has to be told of its outputs.
void check_api(const Asked& asked, const std::string& name, const std::string& an_output) {
  if (asked.api == "module" && asked.outputs.empty()) {
    throw Refused("argument " + name + ": a module needs " + an_output +
                  " for each output of the model");
  }
}

// Answers are of the samples in a file, computed and not timed.
void check_answers(const Arguments& found, const std::set<std::string>& taken) {
  if (taken.count("--inputs-file") == 0) {
    throw Refused("argument --answers: needs --inputs-file, with the samples to answer");
  }
  const bool calibrates = found.calibrate;
  for (const auto& [name, is_there] :
       {std::pair{"--second-model", taken.count("--second-model") != 0},
        std::pair{"--by-operator", found.by_operator}, std::pair{"--count", found.counted},
        std::pair{"--calibrate", calibrates}}) {
    if (is_there) {
      throw Refused("argument --answers: times and counts nothing, and " + std::string(name) +
                    " is given");
    }
  }
}

// Only plain launches of one model, by MNN's Session, run elsewhere than on the CPU.
void check_backend(const Arguments& found, const std::set<std::string>& taken) {
  if (found.backend == "cpu") return;
  for (const auto& [name, is_there] :
       {std::pair{"--second-model", taken.count("--second-model") != 0},
        std::pair{"--by-operator", found.by_operator}, std::pair{"--cold", found.cold},
        std::pair{"--for-seconds", found.for_seconds.has_value()},
        std::pair{"--count", found.counted},
        std::pair{"--answers", taken.count("--answers") != 0}}) {
    if (is_there) {
      throw Refused("argument --backend: " + found.backend + " is for plain launches, and " + name +
                    " is given");
    }
  }
  if (found.api != "session") {
    throw Refused("argument --backend: MNN's Module API doesn't tell where its operators run");
  }
  if (found.threads != 1) {
    throw Refused("argument --backend: --threads is of the CPU, and has to be 1 on " +
                  found.backend);
  }
}

// A cold start is that of one model, and is timed.
void check_cold(const Arguments& found, const std::set<std::string>& taken) {
  if (found.stage_memory && !found.cold) throw Refused("argument --stage-memory: needs --cold");
  if (!found.cold) return;
  const bool calibrates = found.calibrate;
  for (const auto& [name, is_there] :
       {std::pair{"--second-model", taken.count("--second-model") != 0},
        std::pair{"--by-operator", found.by_operator},
        std::pair{"--for-seconds", found.for_seconds.has_value()},
        std::pair{"--count", found.counted},
        std::pair{"--answers", taken.count("--answers") != 0},
        std::pair{"--calibrate", calibrates}}) {
    if (is_there) {
      throw Refused("argument --cold: times the start of one model, and " + std::string(name) +
                    " is given");
    }
  }
}

// A launch that lasts times one model, run by run.
void check_for_seconds(const Arguments& found, const std::set<std::string>& taken) {
  if (!found.for_seconds) {
    if (found.every_ms) throw Refused("argument --every-ms: needs --for-seconds");
    return;
  }
  const bool calibrates = found.calibrate;
  for (const auto& [name, is_there] :
       {std::pair{"--second-model", taken.count("--second-model") != 0},
        std::pair{"--by-operator", found.by_operator}, std::pair{"--count", found.counted},
        std::pair{"--answers", taken.count("--answers") != 0},
        std::pair{"--calibrate", calibrates}}) {
    if (is_there) {
      throw Refused("argument --for-seconds: times one model, run by run, and " +
                    std::string(name) + " is given");
    }
  }
}

// Whether a word is an option where a value is expected; a negative number is a value.
bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');
}

}  // namespace

Arguments parse_arguments(const std::vector<std::string>& given) {
  Arguments found;
  Asked second;
  const std::vector<std::string> apis = {"session", "module"};
  using Text = std::string_view;
  const std::map<std::string, std::function<void(Text)>, std::less<>> valued = {
      {"--model", [&](Text text) { found.model = text; }},
      {"--engine", [&](Text text) { found.engine = one_of(text, {"mnn"}); }},
      {"--runs", [&](Text text) { found.runs = integer(text, 1, kMaxRuns); }},
      {"--warmup", [&](Text text) { found.warmup = integer(text, 0, kMaxRuns); }},
      {"--threads", [&](Text text) { found.threads = integer(text, 1, kMaxThreads); }},
      {"--precision", [&](Text text) { found.precision = one_of(text, {"fp32", "fp16"}); }},
      {"--backend",
       [&](Text text) { found.backend = one_of(text, {"cpu", "opencl", "vulkan"}); }},
      {"--cpu", [&](Text text) { found.cpus = cores(text); }},
      {"--input-seed", [&](Text text) { found.input_seed = seed(text); }},
      {"--input", [&](Text text) { found.inputs.push_back(input(text)); }},
      {"--inputs-file", [&](Text text) { found.inputs_file = text; }},
      {"--api", [&](Text text) { found.api = one_of(text, apis); }},
      {"--output", [&](Text text) { found.outputs.emplace_back(text); }},
      {"--die-with", [&](Text text) { found.die_with = integer(text, 1, INT32_MAX); }},
      {"--for-seconds", [&](Text text) { found.for_seconds = up_to(text, kMostSeconds); }},
      {"--every-ms", [&](Text text) { found.every_ms = up_to(text, kMostEveryMs); }},
      {"--second-model", [&](Text text) { second.model = text; }},
      {"--second-input", [&](Text text) { second.inputs.push_back(input(text)); }},
      {"--second-inputs-file", [&](Text text) { second.inputs_file = text; }},
      {"--second-api", [&](Text text) { second.api = one_of(text, apis); }},
      {"--second-output", [&](Text text) { second.outputs.emplace_back(text); }},
      {"--starts",
       [&](Text text) { found.second_starts = one_of(text, {"first", "second"}) == "second"; }},
      {"--most-seconds", [&](Text text) { found.most_seconds = positive(text); }},
      {"--least-runs", [&](Text text) { found.least_runs = integer(text, 1, kMaxRuns); }},
      {"--input-file", [&](Text text) { found.input_file = text; }},
      {"--output-file", [&](Text text) { found.output_file = text; }},
      {"--answers", [&](Text text) { found.answers = text; }},
      {"--operator-values", [&](Text text) { found.operator_values = text; }},
      {"--operator-inputs", [&](Text text) { found.operator_inputs = text; }},
  };
  const std::map<std::string, bool*, std::less<>> switches = {
      {"--output-values", &found.output_values},
      {"--calibrate", &found.calibrate},
      {"--count", &found.counted},
      {"--by-operator", &found.by_operator},
      {"--cold", &found.cold},
      {"--stage-memory", &found.stage_memory},
  };
  const std::vector<std::string> required = {"--model",   "--engine",    "--runs", "--warmup",
                                             "--threads", "--precision", "--cpu",  "--input-seed"};
  std::set<std::string> taken;
  std::string unknown;
  for (std::size_t at = 0; at < given.size(); ++at) {
    const std::size_t equals =
        given[at].rfind("--", 0) == 0 ? given[at].find('=') : std::string::npos;
    const std::string name = given[at].substr(0, equals);
    if (const auto flag = switches.find(name); flag != switches.end()) {
      if (equals != std::string::npos) throw Refused("argument " + name + ": takes no value");
      *flag->second = true;
      continue;
    }
    const auto option = valued.find(name);
    if (option == valued.end()) {
      unknown += " " + given[at];
      continue;
    }
    std::string value;
    if (equals != std::string::npos) {
      value = given[at].substr(equals + 1);
    } else if (at + 1 < given.size() && !is_option(given[at + 1])) {
      value = given[++at];
    } else {
      throw Refused("argument " + name + ": expected one argument");
    }
    try {
      option->second(value);
    } catch (const Invalid& invalid) {
      throw Refused("argument " + name + ": " + invalid.why);
    }
    taken.insert(name);
  }
  std::string missing;
  for (const std::string& name : required) {
    if (taken.count(name) == 0) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!found.calibrate && !missing.empty()) {
    throw Refused("the following arguments are required: " + missing);
  }
  if (!unknown.empty()) throw Refused("unrecognized arguments:" + unknown);
  if (found.by_operator && taken.count("--second-model") != 0) {
    throw Refused("argument --by-operator: takes one model, and --second-model is given");
  }
  if (taken.count("--operator-values") != 0 && !found.by_operator) {
    throw Refused("argument --operator-values: needs --by-operator");
  }
  if (taken.count("--operator-inputs") != 0 && taken.count("--operator-values") == 0) {
    throw Refused("argument --operator-inputs: needs --operator-values");
  }
  check_for_seconds(found, taken);
  if (taken.count("--answers") != 0) check_answers(found, taken);
  check_cold(found, taken);
  if (found.counted && taken.count("--second-model") != 0) {
    throw Refused("argument --count: takes one model, and --second-model is given");
  }
  if (found.counted && found.calibrate) {
    throw Refused("argument --count: runs a model, and --calibrate runs none");
  }
  check_backend(found, taken);
  check_api(found, "--api", "an --output");
  check_api(second, "--second-api", "a --second-output");
  if (taken.count("--second-model") != 0) {
    for (const char* name : {"--input-file", "--output-file"}) {
      if (taken.count(name) != 0 && !found.calibrate) {
        throw Refused(std::string("argument ") + name +
                      ": takes one model, and --second-model is given");
      }
    }
    found.second = std::move(second);
  }
  return found;
}

}  // namespace runner
