#include "messages.hpp"

#include <algorithm>

#include "json.hpp"

namespace runner {
namespace {

JsonLine object(const Turns& turns) {
  return JsonLine()
      .integers("ns", turns.ns)
      .integers("cpu_ns", turns.cpu_ns)
      .integers("start_ns", turns.start_ns);
}

JsonLine object(const MemoryReading& reading) {
  return JsonLine()
      .number("rss_mb", reading.rss_mb)
      .number("pss_mb", reading.pss_mb)
      .number("peak_mb", reading.peak_mb);
}

}  // namespace

std::string line(const Hello& message) {
  return JsonLine("hello")
      .integer("protocol", kProtocol)
      .text("runner", "native")
      .text("runner_version", message.runner_version)
      .text("engine", "mnn")
      .text("engine_version", message.engine_version)
      .text("abi", message.abi)
      .integer("pid", message.pid)
      .line();
}

std::string line(const Model& message) {
  return JsonLine("model")
      .text("sha256", message.sha256)
      .integers("input_shape", message.input_shape)
      .integer("init_ns", message.init_ns)
      .number("memory_mb", message.memory_mb)
      .text("precision", message.precision)
      .integer("threads", message.threads)
      .text("api", message.api)
      .line();
}

std::string line(const Cpu& message) {
  return JsonLine("cpu")
      .integers("asked", message.asked)
      .integer("before", message.before)
      .integer("after", message.after)
      .line();
}

std::string line(const Calibration& message) {
  return JsonLine("calibration")
      .number("before_mac_per_s", message.before_mac_per_s)
      .number("after_mac_per_s", message.after_mac_per_s)
      .line();
}

std::string line(const Samples& message) {
  return JsonLine("samples")
      .integers("ns", message.ns)
      .integer("wall_ns", message.wall_ns)
      .integer("cpu_ns", message.cpu_ns)
      .integer("waited_ns", message.waited_ns)
      .integer("steal_ns", message.steal_ns)
      .line();
}

std::string line(const Second& message) {
  JsonLine json("second");
  json.integer("at_ns", message.at_ns)
      .integer("wall_ns", message.wall_ns)
      .integer("runs", message.runs)
      .integer("mean_ns", message.mean_ns)
      .integer("median_ns", message.median_ns)
      .integer("p90_ns", message.p90_ns)
      .integer("p99_ns", message.p99_ns)
      .integer("min_ns", message.min_ns)
      .integer("max_ns", message.max_ns)
      .integer("cpu_ns", message.cpu_ns)
      .integer("waited_ns", message.waited_ns)
      .integer("steal_ns", message.steal_ns)
      .integer("late", message.late)
      .integer("skipped", message.skipped)
      .integer("late_by_waking", message.late_by_waking)
      .integer("core", message.core)
      .integer("khz", message.khz);
  if (message.ns.empty()) return json.integer("ns", std::nullopt).line();
  return json.integers("ns", message.ns).line();
}

std::string line(const Sustained& message) {
  return JsonLine("sustained")
      .integer("runs", message.runs)
      .integer("wall_ns", message.wall_ns)
      .integer("cpu_ns", message.cpu_ns)
      .integer("waited_ns", message.waited_ns)
      .integer("steal_ns", message.steal_ns)
      .integer("late", message.late)
      .integer("skipped", message.skipped)
      .integer("late_by_waking", message.late_by_waking)
      .line();
}

std::string line(const Pairs& message) {
  return JsonLine("pairs")
      .object("first", object(message.first))
      .object("second", object(message.second))
      .integer("wall_ns", message.wall_ns)
      .integer("cpu_ns", message.cpu_ns)
      .integer("waited_ns", message.waited_ns)
      .integer("steal_ns", message.steal_ns)
      .line();
}

std::string line(const Operators& message) {
  std::vector<std::string> names;
  std::vector<std::string> types;
  std::vector<std::vector<Shape>> shapes;
  std::vector<double> flops_m;
  std::vector<std::vector<std::int64_t>> kept;
  for (const NotedOperator& each : message.found) {
    names.push_back(each.name);
    types.push_back(each.type);
    shapes.push_back(each.shapes);
    flops_m.push_back(each.flops_m);
    kept.push_back(each.kept);
  }
  JsonLine json("operators");
  json.list("names", names).list("types", types).list("shapes", shapes).list("flops_m", flops_m);
  if (message.times) {
    json.integers("least_ns", message.times->least_ns)
        .integers("median_ns", message.times->median_ns)
        .integers("gap_ns", message.times->gap_ns)
        .integers("watched_ns", message.times->watched_ns);
  }
  if (std::any_of(kept.begin(), kept.end(), [](const auto& each) { return !each.empty(); })) {
    json.list("kept", kept);
  }
  return json.line();
}

std::string line(const Backends& message) {
  JsonLine operators;
  for (const auto& [name, count] : message.operators) operators.integer(name, count);
  JsonLine json("backends");
  json.text("asked", message.asked)
      .text("session", message.session)
      .object("operators", operators)
      .list("elsewhere_types", message.elsewhere_types, kTextLimit)
      .list("elsewhere_names", message.elsewhere_names, kTextLimit);
  if (message.loading) json.text("loading", *message.loading);
  if (message.driver) {
    json.text("driver", message.driver->device).truth("driver_is_cpu", message.driver->is_cpu);
  }
  return json.line();
}

std::string line(const Stages& message) {
  JsonLine json("stages");
  json.integer("engine_ns", std::nullopt)
      .integer("read_ns", message.read_ns)
      .integer("create_ns", message.create_ns)
      .integer("first_ns", message.first_ns)
      .integer("second_ns", message.second_ns)
      .integer("read_cpu_ns", message.read_cpu_ns)
      .integer("create_cpu_ns", message.create_cpu_ns)
      .integer("first_cpu_ns", message.first_cpu_ns)
      .integer("second_cpu_ns", message.second_cpu_ns)
      .integer("wall_ns", message.wall_ns)
      .integer("cpu_ns", message.cpu_ns)
      .integer("waited_ns", message.waited_ns)
      .integer("steal_ns", message.steal_ns)
      .integer("core", message.core)
      .integer("pages", message.pages)
      .integer("resident", message.resident)
      .integer("major_faults", message.major_faults);
  if (message.memory) {
    json.object("memory", JsonLine()
                              .object("engine", object(message.memory->engine))
                              .object("read", object(message.memory->read))
                              .object("created", object(message.memory->created))
                              .object("first", object(message.memory->first))
                              .object("second", object(message.memory->second)));
  }
  return json.line();
}

std::string line(const Output& message) {
  JsonLine json("output");
  json.text("sha256", message.sha256);
  if (message.values) json.texts("values", *message.values);
  return json.line();
}

std::string line(const Answers& message) {
  return JsonLine("answers")
      .list("names", message.names)
      .integers("sizes", message.sizes)
      .integer("count", message.count)
      .integer("cpu_ns", message.cpu_ns)
      .line();
}

std::string line(const Done& message) {
  return JsonLine("done").integer("count", message.count).line();
}

std::string line(const Error& message) {
  return JsonLine("error").text("reason", message.reason).line();
}

}  // namespace runner
