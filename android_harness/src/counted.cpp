#include "counted.hpp"

#include "loaded.hpp"
#include "marks.hpp"
#include "messages.hpp"
#include "operator_values.hpp"
#include "refused.hpp"

namespace runner {

void Session::run_by_operator(const Watch&) {
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
  Notes notes;
  const bool writes = !arguments.operator_values.empty();
  if (arguments.by_operator && !writes) {
    model.session->run_by_operator({[&](const Operator& seen) {
                                      notes.before(seen);
                                      mark(Mark::kOperatorStarts);
                                    },
                                    [&](const Operator& seen) {
                                      mark(Mark::kOperatorEnds);
                                      notes.after(seen);
                                    }});
  }
  const Output output = computed(model, arguments);
  // A run less, which an emulator takes seconds for.
  if (writes) notes = write_operator_values(arguments, *model.session);
  send(line(described(model, arguments)));
  if (arguments.by_operator) send(line(Operators{notes.found(), std::nullopt}));
  send(line(output));
  send(line(Done{arguments.runs}));
}

}  // namespace runner
