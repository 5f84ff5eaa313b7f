#include "check.hpp"

#include <cstdio>
#include <vector>

#include "refused.hpp"

namespace check {
namespace {

struct Registered {
  std::string group;
  const char* name;
  void (*body)();
};

std::vector<Registered>& tests() {
  static std::vector<Registered> all;
  return all;
}

int failures = 0;

}  // namespace

Test::Test(const char* group, const char* name, void (*body)()) {
  tests().push_back({group, name, body});
}

void that(bool holds, const char* file, int line, const std::string& text) {
  if (holds) return;
  ++failures;
  std::printf("%s:%d: %s\n", file, line, text.c_str());
}

std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const runner::Refused& refused) {
    return refused.what();
  }
  return "nothing was refused";
}

}  // namespace check

int main(int argc, char** argv) {
  int count = 0;
  for (const auto& test : check::tests()) {
    if (argc > 1 && test.group != argv[1]) continue;
    ++count;
    const int before = check::failures;
    try {
      test.body();
    } catch (const std::exception& error) {
      check::that(false, test.group.c_str(), 0, std::string("threw ") + error.what());
    }
    std::printf("%s %s\n", check::failures == before ? "ok    " : "FAILED", test.name);
  }
  std::printf("%d tests, %d failures\n", count, check::failures);
  return count > 0 && check::failures == 0 ? 0 : 1;
}
