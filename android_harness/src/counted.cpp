#include "counted.hpp"

#include <vector>

#include "loaded.hpp"
#include "marks.hpp"
#include "messages.hpp"
#include "refused.hpp"

namespace runner {

std::vector<OperatorName> Session::run_by_operator() {
  throw Refused("this engine can't run a model operator by operator");
}

void launch_counted(const Arguments& arguments, const Engine& engine, const Send& send) {
  send(line(hello(engine)));
  need(engine);
  const Loaded model = load(arguments, engine);
  for (std::int64_t run = 0; run < arguments.warmup; ++run) model.session->run();
  for (std::int64_t run = 0; run < arguments.runs; ++run) {
    mark(Mark::kRunStarts);
    model.session->run();
    mark(Mark::kRunEnds);
  }
  Operators operators;
  if (arguments.by_operator) operators.found = model.session->run_by_operator();
  send(line(described(model, arguments)));
  if (arguments.by_operator) send(line(operators));
  send(line(computed(model, arguments)));
  send(line(Done{arguments.runs}));
}

}  // namespace runner
