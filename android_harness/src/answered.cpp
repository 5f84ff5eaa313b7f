#include "answered.hpp"

#include <cstdint>
#include <fstream>

#include "clock.hpp"
#include "inputs.hpp"
#include "loaded.hpp"
#include "messages.hpp"
#include "refused.hpp"

namespace runner {

void launch_answers(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  const Loaded model = load_unfed(arguments, engine);
  RecordedSamples samples(arguments.inputs_file, arguments.inputs);
  std::ofstream file(arguments.answers, std::ios::binary | std::ios::trunc);
  Answers answers{};
  for (; answers.count < static_cast<std::int64_t>(samples.count()) && file; ++answers.count) {
    model.session->feed(samples.next());
    const std::int64_t start = thread_ns();
    model.session->run();
    answers.cpu_ns += thread_ns() - start;
    answers.names.clear();
    answers.sizes.clear();
    // A std::map, so they come in byte order of their names.
    for (const auto& [name, values] : model.session->outputs()) {
      answers.names.push_back(name);
      answers.sizes.push_back(static_cast<std::int64_t>(values.size()));
      file.write(reinterpret_cast<const char*>(values.data()),
                 static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
  }
  file.close();
  if (!file) throw Refused("can't write the answers: " + arguments.answers);
  send(line(described(model, arguments)));
  send(line(answers));
  send(line(Done{answers.count}));
}

}  // namespace runner
