#include "backends_used.hpp"

#include "loaded.hpp"
#include "refused.hpp"

namespace runner {
namespace {

constexpr std::size_t kMostListed = 100;  // the limit in backends_message.py

}  // namespace

Backends backends_used(const Session& timed, const Arguments& arguments, const Engine& engine) {
  Backends used{arguments.backend, timed.backend(), {}, {}, {}, {}, {}};
  Arguments watched = arguments;
  watched.by_operator = true;
  const Loaded again = load(watched, engine);
  if (again.session->backend() != used.session) {
    throw Refused("MNN chose the back end " + used.session + " for the runs, and " +
                  again.session->backend() + " for a look at them");
  }
  again.session->run_by_operator({[](const Operator&) {},
                                  [&](const Operator& ran) {
                                    const std::string backend = ran.backend();
                                    ++used.operators[backend];
                                    if (backend == arguments.backend) return;
                                    if (used.elsewhere_types.size() == kMostListed) return;
                                    used.elsewhere_types.push_back(ran.type());
                                    used.elsewhere_names.push_back(ran.name());
                                  }});
  if (used.operators.empty()) throw Refused("MNN runs no operator in this model");
  used.loading = again.session->loading();
  if (used.operators.count(arguments.backend) > 0) used.driver = again.session->driver();
  return used;
}

}  // namespace runner
