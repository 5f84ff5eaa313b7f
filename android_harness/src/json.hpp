// Writes one JSON object, one line; the first key of a message is "type". Reads nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

// How many characters of a text the reader accepts: the limit in wire.py.
constexpr std::size_t kTextLimit = 200;

class JsonLine {
 public:
  explicit JsonLine(std::string_view type);
  // An object without a type, to be put into another.
  JsonLine() = default;

  // A text longer than kTextLimit is cut.
  JsonLine& text(std::string_view key, std::string_view value);
  JsonLine& integer(std::string_view key, std::optional<std::int64_t> value);
  JsonLine& truth(std::string_view key, bool value);
  JsonLine& number(std::string_view key, std::optional<double> value);
  JsonLine& integers(std::string_view key, const std::vector<std::int64_t>& values);
  JsonLine& texts(std::string_view key, const std::map<std::string, std::string>& values);
  // Of each text `limit` characters.
  JsonLine& list(std::string_view key, const std::vector<std::string>& values,
                 std::size_t limit = SIZE_MAX);
  JsonLine& list(std::string_view key, const std::vector<double>& values);
  JsonLine& list(std::string_view key, const std::vector<std::vector<std::int64_t>>& values);
  JsonLine& list(std::string_view key,
                 const std::vector<std::vector<std::vector<std::int64_t>>>& values);
  JsonLine& object(std::string_view key, const JsonLine& inner);

  // The object and its line end.
  std::string line() const;

 private:
  void key(std::string_view name);

  std::string out_ = "{";
};

// In quotes and plain ASCII; invalid UTF-8 becomes U+FFFD. At most `limit` characters.
std::string quoted(std::string_view text, std::size_t limit = SIZE_MAX);

}  // namespace runner
