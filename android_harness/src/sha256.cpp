#include "sha256.hpp"

#include <algorithm>
#include <cstring>

namespace runner {
namespace {

constexpr std::uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t rotated(std::uint32_t value, int by) { return value >> by | value << (32 - by); }

}  // namespace

void Sha256::update(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  while (size > 0) {
    const std::size_t filled = size_ % 64;
    if (filled == 0 && size >= 64) {
      block(bytes);
      bytes += 64, size -= 64, size_ += 64;
      continue;
    }
    const std::size_t taken = std::min(size, 64 - filled);
    std::memcpy(pending_.data() + filled, bytes, taken);
    bytes += taken, size -= taken, size_ += taken;
    if (size_ % 64 == 0) block(pending_.data());
  }
}

std::string Sha256::hex() {
  const std::uint64_t bits = 8 * size_;
  const std::uint8_t end = 0x80;
  const std::uint8_t zero = 0;
  update(&end, 1);
  while (size_ % 64 != 56) update(&zero, 1);
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<std::uint8_t>(bits >> shift);
    update(&byte, 1);
  }
  std::string out;
  for (const std::uint32_t word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[word >> shift & 15];
  }
  return out;
}

void Sha256::block(const std::uint8_t* bytes) {
  std::uint32_t words[64];
  for (int at = 0; at < 16; ++at) {
    const std::uint8_t* byte = bytes + 4 * at;
    words[at] = std::uint32_t{byte[0]} << 24 | std::uint32_t{byte[1]} << 16 |
                std::uint32_t{byte[2]} << 8 | byte[3];
  }
  for (int at = 16; at < 64; ++at) {
    const std::uint32_t low = words[at - 15];
    const std::uint32_t high = words[at - 2];
    words[at] = words[at - 16] + (rotated(low, 7) ^ rotated(low, 18) ^ low >> 3) + words[at - 7] +
                (rotated(high, 17) ^ rotated(high, 19) ^ high >> 10);
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (int at = 0; at < 64; ++at) {
    const std::uint32_t one = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) +
                              ((e & f) ^ (~e & g)) + kRounds[at] + words[at];
    const std::uint32_t two =
        (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
  }
  const std::uint32_t added[8] = {a, b, c, d, e, f, g, h};
  for (int at = 0; at < 8; ++at) state_[static_cast<std::size_t>(at)] += added[at];
}

}  // namespace runner
