// A launch that is counted: what is run, between which marks, and what is told of it.
#include "counted.hpp"

#include "check.hpp"
#include "launching.hpp"
#include "messages.hpp"

using namespace launching;

namespace {

using runner::Operators;

// A session that can be run operator by operator, and tells of it.
class ByOperator : public FakeSession {
 public:
  ByOperator(std::function<void()> running, std::function<void()> by_operator)
      : FakeSession(std::move(running), {{"x", {1, 4}, "float32"}}),
        by_operator_(std::move(by_operator)) {}
  void run_by_operator(const runner::Watch&) override { by_operator_(); }

 private:
  std::function<void()> by_operator_;
};

// What was done and sent, in its order; a message by its type.
struct Events {
  std::vector<std::string> seen;

  Engine engine(bool by_operator = true) {
    const auto run = [this] { seen.emplace_back("run"); };
    const auto operators = [this] { seen.emplace_back("by operator"); };
    return {"1.0", [=](const Arguments&) -> std::unique_ptr<runner::Session> {
              if (by_operator) return std::make_unique<ByOperator>(run, operators);
              return std::make_unique<FakeSession>(run,
                                                   std::vector<TensorSpec>{{"x", {4}, "float32"}});
            }};
  }

  void launch(const Arguments& arguments, const Engine& engine) {
    runner::launch_counted(arguments, engine, [this](const std::string& line) {
      const std::size_t from = std::string("{\"type\":\"").size();
      seen.push_back(line.substr(from, line.find('"', from) - from));
    });
  }

  std::string text() const {
    std::string all;
    for (const std::string& each : seen) all += (all.empty() ? "" : ", ") + each;
    return all;
  }
};

}  // namespace

TEST(counted, a_launch_runs_first_and_tells_then) {
  const Folder folder;
  Events events;
  events.launch(asked(folder), events.engine());
  CHECK_EQ(events.text(), "hello, run, run, run, run, run, model, output, done");
}

TEST(counted, operators_are_of_one_run_more) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.by_operator = true;
  Events events;
  events.launch(arguments, events.engine());
  CHECK_EQ(events.text(),
           "hello, run, run, run, run, run, by operator, model, operators, output, done");
}

TEST(counted, a_run_whose_values_are_written_takes_the_place_of_the_one_with_marks) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.by_operator = true;
  arguments.operator_values = folder.at("values");
  Events events;
  events.launch(arguments, events.engine());
  CHECK_EQ(events.text(),
           "hello, run, run, run, run, run, by operator, model, operators, output, done");
}

TEST(counted, a_session_without_operators_is_refused) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.by_operator = true;
  Events events;
  CHECK_EQ(check::refusal([&] { events.launch(arguments, events.engine(false)); }),
           "this engine can't run a model operator by operator");
}

TEST(counted, without_an_engine_only_hello_is_sent) {
  const Folder folder;
  Events events;
  CHECK(starts_with(check::refusal([&] { events.launch(asked(folder), {"none", nullptr}); }),
                    "this runner was built without MNN"));
  CHECK_EQ(events.text(), "hello");
}

TEST(counted, operators_are_written_without_times_where_none_were_taken) {
  const Operators two{{{"/a/Conv", "Convolution", {{1, 8}}, 2}, {"b\"\n", "ReLU", {}, 0.5}}, {}};
  CHECK_EQ(runner::line(two),
           "{\"type\":\"operators\",\"names\":[\"/a/Conv\",\"b\\\"\\n\"],"
           "\"types\":[\"Convolution\",\"ReLU\"],\"shapes\":[[[1,8]],[]],\"flops_m\":[2.0,0.5]}\n");
  CHECK_EQ(runner::line(Operators{}),
           "{\"type\":\"operators\",\"names\":[],\"types\":[],\"shapes\":[],\"flops_m\":[]}\n");
}
