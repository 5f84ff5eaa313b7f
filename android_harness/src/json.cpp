#include "json.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace runner {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

void append_escape(std::string& out, std::uint32_t unit) {
  char escape[8];
  std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(unit & 0xFFFF));
  out += escape;
}

// Takes one character off the front; kReplacement for a byte that starts none.
std::uint32_t next_character(std::string_view& text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::uint32_t lead = byte(0);
  const std::size_t size = lead < 0x80       ? 1
                           : lead >> 5 == 6  ? 2
                           : lead >> 4 == 14 ? 3
                           : lead >> 3 == 30 ? 4
                                             : 0;
  if (size == 0 || size > text.size()) {
    text.remove_prefix(1);
    return kReplacement;
  }
  std::uint32_t code = size == 1 ? lead : lead & (0x7F >> size);
  for (std::size_t at = 1; at < size; ++at) {
    if (byte(at) >> 6 != 2) {
      text.remove_prefix(1);
      return kReplacement;
    }
    code = code << 6 | (byte(at) & 0x3F);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // overlong forms are not UTF-8
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < kLeast[size] || code > 0x10FFFF || surrogate) {
    text.remove_prefix(1);
    return kReplacement;
  }
  text.remove_prefix(size);
  return code;
}

// The shortest digits that read back as the same double, as Python writes them.
std::string shortest(double value) {
  if (!std::isfinite(value)) return "null";
  const double size = std::fabs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  char digits[64];
  const auto format = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(digits, digits + sizeof digits, value, format).ptr;
  std::string text(digits, end);
  if (fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string written(std::int64_t value) { return std::to_string(value); }
std::string written(double value) { return shortest(value); }

template <typename Value>
std::string written(const std::vector<Value>& values) {
  std::string out = "[";
  for (const Value& value : values) {
    if (out.size() > 1) out += ",";
    out += written(value);
  }
  return out + "]";
}

}  // namespace

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  for (std::size_t count = 0; !text.empty() && count < limit; ++count) {
    const std::uint32_t code = next_character(text);
    switch (code) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default:
        if (code >= 0x20 && code < 0x7F) {
          out += static_cast<char>(code);
        } else if (code < 0x10000) {
          append_escape(out, code);
        } else {
          append_escape(out, 0xD800 + ((code - 0x10000) >> 10));
          append_escape(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
        }
    }
  }
  return out + "\"";
}

JsonLine::JsonLine(std::string_view type) { text("type", type); }

void JsonLine::key(std::string_view name) {
  if (out_.size() > 1) out_ += ",";
  out_ += quoted(name) + ":";
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
  key(name);
  out_ += quoted(value, kTextLimit);
  return *this;
}

JsonLine& JsonLine::integer(std::string_view name, std::optional<std::int64_t> value) {
  key(name);
  out_ += value ? std::to_string(*value) : "null";
  return *this;
}

JsonLine& JsonLine::truth(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::optional<double> value) {
  key(name);
  out_ += value ? shortest(*value) : "null";
  return *this;
}

JsonLine& JsonLine::integers(std::string_view name, const std::vector<std::int64_t>& values) {
  key(name);
  out_ += written(values);
  return *this;
}

JsonLine& JsonLine::texts(std::string_view name, const std::map<std::string, std::string>& values) {
  key(name);
  out_ += "{";
  for (auto at = values.begin(); at != values.end(); ++at) {
    if (at != values.begin()) out_ += ",";
    out_ += quoted(at->first) + ":" + quoted(at->second);
  }
  out_ += "}";
  return *this;
}

JsonLine& JsonLine::list(std::string_view name, const std::vector<std::string>& values,
                         std::size_t limit) {
  key(name);
  out_ += "[";
  for (std::size_t at = 0; at < values.size(); ++at) {
    if (at > 0) out_ += ",";
    out_ += quoted(values[at], limit);
  }
  out_ += "]";
  return *this;
}

JsonLine& JsonLine::list(std::string_view name, const std::vector<double>& values) {
  key(name);
  out_ += written(values);
  return *this;
}

JsonLine& JsonLine::list(std::string_view name, const std::vector<std::vector<std::int64_t>>& values) {
  key(name);
  out_ += written(values);
  return *this;
}

JsonLine& JsonLine::list(std::string_view name,
                         const std::vector<std::vector<std::vector<std::int64_t>>>& values) {
  key(name);
  out_ += written(values);
  return *this;
}

JsonLine& JsonLine::object(std::string_view name, const JsonLine& inner) {
  key(name);
  out_ += inner.out_ + "}";
  return *this;
}

std::string JsonLine::line() const { return out_ + "}\n"; }

}  // namespace runner
