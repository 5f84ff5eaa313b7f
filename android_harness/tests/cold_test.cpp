// A cold start: its stages in order, the file dropped from memory before, the memory behind each.
#include "cold.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>

#include "check.hpp"
#include "launching.hpp"
#include "page_cache.hpp"
#include "refused.hpp"

using namespace launching;

namespace {

void rest_ms(long ms) {
  const timespec time{0, ms * 1'000'000};
  nanosleep(&time, nullptr);
}

// Loading takes 4 ms, the first run 3, the others 1.
Engine slow_engine(int& runs) {
  return {"1.0", [&runs](const Arguments&) -> std::unique_ptr<runner::Session> {
            rest_ms(4);
            return std::make_unique<FakeSession>([&runs] { rest_ms(runs++ == 0 ? 3 : 1); },
                                                 std::vector<TensorSpec>{{"x", {1, 2}, "float32"}});
          }};
}

struct ColdTold {
  int runs = 0;
  std::vector<std::string> lines;
};

ColdTold cold_launched(const Arguments& arguments) {
  ColdTold told;
  runner::launch_cold(arguments, slow_engine(told.runs),
                      [&](const std::string& line) { told.lines.push_back(line); });
  return told;
}

// The number behind a key of the stages; -1 if it is null.
std::int64_t stage_of(const ColdTold& told, const std::string& key) {
  const std::string& line = told.lines.at(2);
  const std::size_t at = line.find("\"" + key + "\":");
  CHECK(at != line.npos);
  const char* value = line.c_str() + at + key.size() + 3;
  return *value == 'n' ? -1 : std::atoll(value);
}

}  // namespace

TEST(cold, the_stages_come_first_and_each_is_timed_alone) {
  const Folder folder;
  const ColdTold told = cold_launched(asked(folder));
  CHECK_EQ(told.runs, 2 + 2 + 3);  // cold, warm-up, timed
  CHECK_EQ(told.lines.size(), std::size_t{8});
  const std::vector<std::string> kinds = {"hello",       "model",   "stages", "cpu",
                                          "calibration", "samples", "output", "done"};
  for (std::size_t at = 0; at < std::min(kinds.size(), told.lines.size()); ++at) {
    CHECK(starts_with(told.lines[at], "{\"type\":\"" + kinds[at] + "\""));
  }
  CHECK(stage_of(told, "create_ns") >= 4'000'000);
  CHECK(stage_of(told, "first_ns") >= 3'000'000);
  CHECK(stage_of(told, "second_ns") >= 1'000'000);
  CHECK(stage_of(told, "read_ns") > 0);
  CHECK(stage_of(told, "wall_ns") >= stage_of(told, "read_ns") + stage_of(told, "create_ns") + stage_of(told, "first_ns") +
                                   stage_of(told, "second_ns"));
  CHECK_EQ(stage_of(told, "engine_ns"), -1);
  CHECK_EQ(stage_of(told, "pages"), 1);
  CHECK_EQ(told.lines[2].find("memory"), std::string::npos);
  // SHA-256 of "abc", which is hashed behind the runs.
  CHECK(told.lines[1].find("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") !=
        std::string::npos);
}

TEST(cold, the_memory_behind_each_stage_is_told_where_it_is_asked_for) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.stage_memory = true;
  const ColdTold told = cold_launched(arguments);
  for (const char* stage : {"engine", "read", "created", "first", "second"}) {
    CHECK(told.lines[2].find("\"" + std::string(stage) + "\":{\"rss_mb\":") != std::string::npos);
  }
}

TEST(cold, pages_that_another_process_has_mapped_stay_and_are_told) {
  const Folder folder;
  const Arguments arguments = asked(folder);
  const int file = open(arguments.model.c_str(), O_RDONLY);
  const auto* mapped = static_cast<const volatile char*>(mmap(nullptr, 3, PROT_READ, MAP_SHARED, file, 0));
  CHECK_EQ(mapped[0], 'a');  // brings it there
  const runner::FilePages kept = runner::drop_from_cache(arguments.model);
  CHECK_EQ(kept.whole, 1);
  CHECK(kept.resident == 1);
  munmap(const_cast<char*>(mapped), 3);
  close(file);
}

TEST(cold, a_file_that_is_not_there_is_refused) {
  const Folder folder;
  Arguments arguments = asked(folder);
  arguments.model = folder.at("nothing");
  int runs = 0;
  CHECK_EQ(check::refusal([&] { runner::launch_cold(arguments, slow_engine(runs), [](const auto&) {}); }),
           "can't read the model: No such file or directory");
  CHECK_EQ(check::refusal([&] { runner::drop_from_cache(arguments.model); }),
           "can't read the model: No such file or directory");
}

TEST(cold, a_file_that_changes_meanwhile_is_refused) {
  const Folder folder;
  const Arguments arguments = asked(folder);
  const Engine changing = {"1.0", [&](const Arguments&) -> std::unique_ptr<runner::Session> {
                             std::ofstream(folder.at("model")) << "abcd";
                             return std::make_unique<FakeSession>(
                                 [] {}, std::vector<TensorSpec>{{"x", {1, 2}, "float32"}});
                           }};
  CHECK_EQ(check::refusal([&] { runner::launch_cold(arguments, changing, [](const auto&) {}); }),
           "the model file changed while it was loaded");
}
