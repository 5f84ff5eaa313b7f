#include "base64.hpp"

#include <cstdint>

namespace runner {

std::string base64(const void* data, std::size_t size) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::string out;
  out.reserve((size + 2) / 3 * 4);
  for (std::size_t at = 0; at < size; at += 3) {
    const std::size_t rest = size - at;
    const std::uint32_t group = std::uint32_t{bytes[at]} << 16 |
                                (rest > 1 ? std::uint32_t{bytes[at + 1]} << 8 : 0) |
                                (rest > 2 ? std::uint32_t{bytes[at + 2]} : 0);
    out += kDigits[group >> 18];
    out += kDigits[group >> 12 & 63];
    out += rest > 1 ? kDigits[group >> 6 & 63] : '=';
    out += rest > 2 ? kDigits[group & 63] : '=';
  }
  return out;
}

}  // namespace runner
