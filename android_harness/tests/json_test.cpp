// Whatever a text holds, the line is one line of plain ASCII that any reader takes.
#include "json.hpp"

#include "check.hpp"

using runner::JsonLine;
using runner::quoted;

TEST(json, quotes_and_control_characters_are_escaped) {
  CHECK_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
  CHECK_EQ(quoted("\n\r\t\b\f"), R"("\n\r\t\b\f")");
  CHECK_EQ(quoted(std::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
}

TEST(json, other_characters_are_escaped_as_utf16) {
  CHECK_EQ(quoted("\xc3\xa9"), R"("\u00e9")");
  CHECK_EQ(quoted("\xe2\x82\xac"), R"("\u20ac")");
  CHECK_EQ(quoted("\xf0\x9f\x98\x80"), R"("\ud83d\ude00")");
}

TEST(json, what_is_no_utf8_becomes_the_replacement_character) {
  CHECK_EQ(quoted("a\xff"
                  "b"),
           R"("a\ufffdb")");
  CHECK_EQ(quoted("\xe2\x82"), R"("\ufffd\ufffd")");                      // cut short
  CHECK_EQ(quoted("\xc0\xaf"), R"("\ufffd\ufffd")");                      // longer than need be
  CHECK_EQ(quoted("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");            // a surrogate
  CHECK_EQ(quoted("\xf4\x90\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");  // beyond the last
}

TEST(json, a_text_is_cut_where_the_reader_would_refuse_it) {
  const std::string line = JsonLine("error").text("reason", std::string(1000, 'x')).line();
  CHECK_EQ(line, "{\"type\":\"error\",\"reason\":\"" + std::string(200, 'x') + "\"}\n");
  const std::vector<std::string> names = {"\xc3\xa9y", "z"};
  CHECK_EQ(JsonLine("n").list("v", names, 1).line(), "{\"type\":\"n\",\"v\":[\"\\u00e9\",\"z\"]}\n");
}

TEST(json, numbers_are_the_shortest_that_read_back_the_same) {
  const auto number = [](double value) { return JsonLine("n").number("v", value).line(); };
  CHECK_EQ(number(0), "{\"type\":\"n\",\"v\":0.0}\n");
  CHECK_EQ(number(61.25), "{\"type\":\"n\",\"v\":61.25}\n");
  CHECK_EQ(number(2.1e10), "{\"type\":\"n\",\"v\":21000000000.0}\n");
  CHECK_EQ(number(0.1), "{\"type\":\"n\",\"v\":0.1}\n");
  CHECK_EQ(number(1e16), "{\"type\":\"n\",\"v\":1e+16}\n");
  CHECK_EQ(number(1.0 / 0.0), "{\"type\":\"n\",\"v\":null}\n");
}

TEST(json, integers_are_whole_and_what_is_unknown_is_null) {
  const std::string line = JsonLine("n")
                               .integer("least", INT64_MIN)
                               .integer("unknown", std::nullopt)
                               .integers("none", {})
                               .integers("some", {1, -2})
                               .line();
  CHECK_EQ(line,
           "{\"type\":\"n\",\"least\":-9223372036854775808,\"unknown\":null,\"none\":[],"
           "\"some\":[1,-2]}\n");
}

TEST(json, names_of_outputs_are_escaped_too) {
  CHECK_EQ(JsonLine("n").texts("values", {{"a\"", "x"}, {"b", "y"}}).line(),
           "{\"type\":\"n\",\"values\":{\"a\\\"\":\"x\",\"b\":\"y\"}}\n");
}
