// As much of a test library as these tests need.
#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace check {

// A test belongs to the group that CTest names, see CMakeLists.txt.
struct Test {
  Test(const char* group, const char* name, void (*body)());
};

void that(bool holds, const char* file, int line, const std::string& text);

template <typename Left, typename Right>
void equal(const Left& left, const Right& right, const char* file, int line, const char* text) {
  std::ostringstream shown;
  shown << text << ": " << left << " is not " << right;
  that(left == right, file, line, shown.str());
}

// What `body` was refused with.
std::string refusal(const std::function<void()>& body);

}  // namespace check

#define TEST(group, name)                                                        \
  static void group##_##name();                                                  \
  static const check::Test group##_##name##_test(#group, #name, group##_##name); \
  static void group##_##name()
#define CHECK(condition) check::that((condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(left, right) check::equal((left), (right), __FILE__, __LINE__, #left)
