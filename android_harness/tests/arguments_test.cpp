// Each argument of the protocol is taken, and each mistake is refused with its name.
#include "arguments.hpp"

#include "check.hpp"

using runner::Arguments;
using runner::parse_arguments;

namespace {

// As asymm_deploy.bench.wire.request writes them.
std::vector<std::string> request(const std::vector<std::string>& more = {}) {
  std::vector<std::string> all = {
      "--model",   "/m.mnn", "--engine",    "mnn",  "--runs", "100", "--warmup",     "20",
      "--threads", "1",      "--precision", "fp32", "--cpu",  "7",   "--input-seed", "0"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string refused(const std::vector<std::string>& more) {
  return check::refusal([&] { parse_arguments(request(more)); });
}

}  // namespace

TEST(arguments, a_request_is_taken) {
  const Arguments found =
      parse_arguments(request({"--input", "float32:1,3,224,224:a:b,c", "--input", "int64::s",
                               "--output-values", "--die-with", "42"}));
  CHECK_EQ(found.model, "/m.mnn");
  CHECK_EQ(found.precision, "fp32");
  CHECK_EQ(found.runs, 100);
  CHECK_EQ(found.warmup, 20);
  CHECK_EQ(found.threads, 1);
  CHECK(found.cpus == std::vector<int>{7});
  CHECK_EQ(found.inputs.size(), 2U);
  CHECK_EQ(found.inputs[0].name, "a:b,c");
  CHECK(found.inputs[0].shape == (std::vector<std::int64_t>{1, 3, 224, 224}));
  CHECK_EQ(found.inputs[1].dtype, "int64");
  CHECK(found.inputs[1].shape.empty());
  CHECK(found.output_values);
  CHECK(found.die_with == 42);
  CHECK(!found.calibrate);
}

TEST(arguments, a_recorded_input_and_the_module_api) {
  const Arguments found =
      parse_arguments(request({"--input", "float32::t", "--inputs-file", "/in puts.bin", "--api",
                               "module", "--output", "y:0", "--output=-z"}));
  CHECK_EQ(found.inputs_file, "/in puts.bin");
  CHECK_EQ(found.api, "module");
  CHECK(found.outputs == (std::vector<std::string>{"y:0", "-z"}));
  CHECK(found.inputs[0].shape.empty());
  CHECK_EQ(parse_arguments(request()).api, "session");
}

TEST(arguments, a_second_model_has_what_the_first_one_has) {
  const Arguments found = parse_arguments(
      request({"--second-input", "int64:2:s", "--second-model", "/other.mnn", "--second-input",
               "float32::t", "--second-inputs-file", "/o.bin", "--second-api", "module",
               "--second-output", "y", "--second-output=-z", "--starts", "second", "--most-seconds",
               "2.5", "--least-runs", "30"}));
  CHECK(found.second.has_value());
  CHECK_EQ(found.second->model, "/other.mnn");
  CHECK_EQ(found.second->inputs.size(), 2U);
  CHECK_EQ(found.second->inputs[1].name, "t");
  CHECK_EQ(found.second->inputs_file, "/o.bin");
  CHECK_EQ(found.second->api, "module");
  CHECK(found.second->outputs == (std::vector<std::string>{"y", "-z"}));
  CHECK(found.second_starts);
  CHECK_EQ(found.most_seconds, 2.5);
  CHECK_EQ(found.least_runs, 30);
  CHECK_EQ(found.model, "/m.mnn");
  CHECK(found.inputs.empty());
  CHECK_EQ(found.api, "session");
}

TEST(arguments, of_a_pair_all_but_the_second_model_may_be_left_out) {
  const Arguments found = parse_arguments(request({"--second-model", "/other.mnn"}));
  CHECK_EQ(found.second->api, "session");
  CHECK(!found.second_starts);
  CHECK(found.most_seconds > 1e300);
  CHECK_EQ(found.least_runs, 1);
  CHECK(!parse_arguments(request({"--second-api", "session"})).second.has_value());
}

TEST(arguments, files_for_one_model_are_refused_with_two) {
  const std::vector<std::string> pair = {"--second-model", "/other.mnn"};
  for (const std::string name : {"--input-file", "--output-file"}) {
    std::vector<std::string> more = pair;
    more.insert(more.end(), {name, "/f"});
    CHECK_EQ(refused(more), "argument " + name + ": takes one model, and --second-model is given");
    more.push_back("--calibrate");
    CHECK(parse_arguments(request(more)).calibrate);
  }
}

TEST(arguments, several_cores_or_none) {
  CHECK(parse_arguments(request({"--cpu", "6,7"})).cpus == (std::vector<int>{6, 7}));
  CHECK(parse_arguments(request({"--cpu", "none"})).cpus.empty());
}

TEST(arguments, a_value_may_stand_behind_an_equals_sign) {
  CHECK_EQ(parse_arguments(request({"--model=a=b"})).model, "a=b");
}

TEST(arguments, a_seed_is_any_integer_modulo_two_to_the_64) {
  const auto seed = [](const char* text) {
    return parse_arguments(request({"--input-seed", text})).input_seed;
  };
  CHECK_EQ(seed("7"), 7U);
  CHECK_EQ(seed("-1"), UINT64_MAX);
  CHECK_EQ(seed("18446744073709551617"), 1U);
}

TEST(arguments, to_calibrate_needs_no_model) {
  const Arguments found = parse_arguments({"--calibrate", "--cpu", "3"});
  CHECK(found.calibrate);
  CHECK(found.cpus == std::vector<int>{3});
}

TEST(arguments, to_count_is_a_switch_and_operators_are_another) {
  CHECK(!parse_arguments(request()).counted);
  CHECK(!parse_arguments(request({"--count"})).by_operator);
  const Arguments found = parse_arguments(request({"--by-operator", "--count"}));
  CHECK(found.counted);
  CHECK(found.by_operator);
}

TEST(arguments, what_does_not_go_with_counting_is_refused) {
  CHECK_EQ(refused({"--count=1"}), "argument --count: takes no value");
  CHECK_EQ(refused({"--count", "--second-model", "/other.mnn"}),
           "argument --count: takes one model, and --second-model is given");
  CHECK_EQ(refused({"--count", "--calibrate"}),
           "argument --count: runs a model, and --calibrate runs none");
}

TEST(arguments, one_model_alone_is_run_by_operator) {
  CHECK(parse_arguments(request({"--by-operator"})).by_operator);
  CHECK_EQ(refused({"--by-operator", "--second-model", "/other.mnn"}),
           "argument --by-operator: takes one model, and --second-model is given");
  CHECK_EQ(parse_arguments(request({"--by-operator", "--operator-values", "v"})).operator_values, "v");
  CHECK_EQ(refused({"--operator-values", "v"}), "argument --operator-values: needs --by-operator");
  CHECK_EQ(refused({"--answers", "a"}),
           "argument --answers: needs --inputs-file, with the samples to answer");
  CHECK_EQ(refused({"--answers", "a", "--inputs-file", "i", "--count"}),
           "argument --answers: times and counts nothing, and --count is given");
  CHECK_EQ(refused({"--by-operator", "--operator-inputs", "i"}),
           "argument --operator-inputs: needs --operator-values");
}

TEST(arguments, a_cold_start_is_that_of_one_model_and_timed) {
  CHECK(!parse_arguments(request({"--cold"})).stage_memory);
  CHECK(parse_arguments(request({"--cold", "--stage-memory"})).cold);
  CHECK_EQ(refused({"--stage-memory"}), "argument --stage-memory: needs --cold");
  for (const char* other : {"--by-operator", "--count", "--calibrate"}) {
    CHECK_EQ(refused({"--cold", other}),
             std::string("argument --cold: times the start of one model, and ") + other + " is given");
  }
  CHECK_EQ(refused({"--cold", "--inputs-file", "i", "--answers", "a"}),
           "argument --cold: times the start of one model, and --answers is given");
}

TEST(arguments, a_launch_that_lasts_is_told_for_how_long_and_how_often_frames_come) {
  const Arguments found = parse_arguments(request({"--for-seconds", "1800", "--every-ms", "33.3"}));
  CHECK(found.for_seconds == 1800.0);
  CHECK(found.every_ms == 33.3);
  CHECK(!parse_arguments(request()).for_seconds.has_value());
  CHECK_EQ(refused({"--every-ms", "33"}), "argument --every-ms: needs --for-seconds");
  CHECK_EQ(refused({"--for-seconds", "86401"}),
           "argument --for-seconds: more than 86400: '86401'");
  CHECK_EQ(refused({"--for-seconds", "0"}),
           "argument --for-seconds: not a positive finite number: '0'");
  CHECK_EQ(refused({"--for-seconds", "9", "--every-ms", "60001"}),
           "argument --every-ms: more than 60000: '60001'");
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--second-model", "/o"}, {"--by-operator"}, {"--count"},
        {"--answers", "a", "--inputs-file", "i"}, {"--calibrate"}}) {
    std::vector<std::string> all = {"--for-seconds", "9"};
    all.insert(all.end(), more.begin(), more.end());
    CHECK_EQ(refused(all), "argument --for-seconds: times one model, run by run, and " + more[0] +
                               " is given");
  }
}

TEST(arguments, what_is_missing_or_unknown_is_named) {
  CHECK_EQ(check::refusal([] { parse_arguments({"--model", "m", "--runs", "1", "--cpu", "0"}); }),
           "the following arguments are required: --engine, --warmup, --threads, --precision, "
           "--input-seed");
  CHECK_EQ(refused({"--faster", "1"}), "unrecognized arguments: --faster 1");
  CHECK_EQ(refused({"--run", "1"}), "unrecognized arguments: --run 1");
  CHECK_EQ(refused({"--model"}), "argument --model: expected one argument");
  CHECK_EQ(refused({"--model", "--runs"}), "argument --model: expected one argument");
}

TEST(arguments, a_wrong_value_is_refused_with_the_arguments_name) {
  CHECK_EQ(refused({"--engine", "tflite"}),
           "argument --engine: invalid choice: 'tflite' (choose from 'mnn')");
  CHECK_EQ(refused({"--precision", "int8"}),
           "argument --precision: invalid choice: 'int8' (choose from 'fp32', 'fp16')");
  CHECK_EQ(refused({"--runs", "0"}), "argument --runs: not in 1..1000000: '0'");
  CHECK_EQ(refused({"--runs", "1x"}), "argument --runs: invalid int value: '1x'");
  CHECK_EQ(refused({"--runs", "99999999999999999999"}),
           "argument --runs: not in 1..1000000: '99999999999999999999'");
  CHECK_EQ(refused({"--warmup", "-1"}), "argument --warmup: not in 0..1000000: '-1'");
  CHECK_EQ(refused({"--cpu", "1,"}), "argument --cpu: invalid int value: ''");
  CHECK_EQ(refused({"--cpu", "65536"}), "argument --cpu: not in 0..65535: '65536'");
  CHECK_EQ(refused({"--input-seed", "-"}), "argument --input-seed: invalid int value: '-'");
  CHECK_EQ(refused({"--input", "float32:1,3"}), "argument --input: invalid input: 'float32:1,3'");
  CHECK_EQ(refused({"--input", "bfloat16:1:x"}), "argument --input: unknown type: 'bfloat16'");
  CHECK_EQ(refused({"--api", "other"}),
           "argument --api: invalid choice: 'other' (choose from 'session', 'module')");
  CHECK_EQ(refused({"--api", "module"}),
           "argument --api: a module needs an --output for each output of the model");
  CHECK_EQ(refused({"--die-with", "0"}), "argument --die-with: not in 1..2147483647: '0'");
  CHECK_EQ(refused({"--second-model"}), "argument --second-model: expected one argument");
  CHECK_EQ(refused({"--second-input", "float32:1,3"}),
           "argument --second-input: invalid input: 'float32:1,3'");
  CHECK_EQ(refused({"--second-api", "other"}),
           "argument --second-api: invalid choice: 'other' (choose from 'session', 'module')");
  CHECK_EQ(refused({"--second-api", "module"}),
           "argument --second-api: a module needs a --second-output for each output of the model");
  CHECK_EQ(refused({"--starts", "both"}),
           "argument --starts: invalid choice: 'both' (choose from 'first', 'second')");
  CHECK_EQ(refused({"--least-runs", "0"}), "argument --least-runs: not in 1..1000000: '0'");
  CHECK_EQ(refused({"--least-runs", "1000001"}),
           "argument --least-runs: not in 1..1000000: '1000001'");
  for (const std::string text : {"0", "-1", "inf", "nan", "1e999", "1e-999"}) {
    CHECK_EQ(refused({"--most-seconds", text}),
             "argument --most-seconds: not a positive finite number: '" + text + "'");
  }
  for (const std::string text : {"", "1s", "0x10", "nan(7)", "many"}) {
    CHECK_EQ(refused({"--most-seconds", text}),
             "argument --most-seconds: invalid float value: '" + text + "'");
  }
  CHECK_EQ(refused({"--calibrate=1"}), "argument --calibrate: takes no value");
}
