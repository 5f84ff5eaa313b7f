// Writes one JSON object, one line; its first key is "type". Reads nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runner {

// Characters of a text that the reader takes: wire.py's limit.
constexpr std::size_t kTextLimit = 200;

class JsonLine {
 public:
  explicit JsonLine(std::string_view type);

  // A text beyond kTextLimit is cut.
  JsonLine& text(std::string_view key, std::string_view value);
  JsonLine& integer(std::string_view key, std::optional<std::int64_t> value);
  JsonLine& number(std::string_view key, std::optional<double> value);
  JsonLine& integers(std::string_view key, const std::vector<std::int64_t>& values);
  JsonLine& texts(std::string_view key, const std::map<std::string, std::string>& values);

  // The object, with its end of line.
  std::string line() const;

 private:
  void key(std::string_view name);

  std::string out_ = "{";
};

// In quotes and plain ASCII: what is no UTF-8 becomes U+FFFD. At most `limit` characters of it.
std::string quoted(std::string_view text, std::size_t limit = SIZE_MAX);

}  // namespace runner
