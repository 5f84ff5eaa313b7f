// The program's own memcpy, memmove and memset, which the engine's library uses too: how many
// instructions the C library's take differs from one version to the next. Only in a build whose
// instructions are counted; timed builds keep the system's.

#include <cstddef>
#include <cstdint>

namespace {

using Byte = unsigned char;
// Sixteen bytes at any address.
using Chunk = std::uint64_t __attribute__((vector_size(16), aligned(1), may_alias));
using Word = std::uint64_t __attribute__((aligned(1), may_alias));
constexpr std::size_t kChunk = sizeof(Chunk);
constexpr std::size_t kBlock = 4 * kChunk;

Chunk& chunk(Byte* at) { return *reinterpret_cast<Chunk*>(at); }
const Chunk& chunk(const Byte* at) { return *reinterpret_cast<const Chunk*>(at); }
Word& word(Byte* at) { return *reinterpret_cast<Word*>(at); }
const Word& word(const Byte* at) { return *reinterpret_cast<const Word*>(at); }

void copy_block(Byte* to, const Byte* from) {
  const Chunk a = chunk(from);
  const Chunk b = chunk(from + kChunk);
  const Chunk c = chunk(from + 2 * kChunk);
  const Chunk d = chunk(from + 3 * kChunk);
  chunk(to) = a;
  chunk(to + kChunk) = b;
  chunk(to + 2 * kChunk) = c;
  chunk(to + 3 * kChunk) = d;
}

void copy_upwards(Byte* to, const Byte* from, std::size_t count) {
  for (; count >= kBlock; count -= kBlock, to += kBlock, from += kBlock) copy_block(to, from);
  for (; count >= kChunk; count -= kChunk, to += kChunk, from += kChunk) chunk(to) = chunk(from);
  for (; count >= sizeof(Word); count -= sizeof(Word), to += sizeof(Word), from += sizeof(Word)) {
    word(to) = word(from);
  }
  for (; count > 0; --count) *to++ = *from++;
}

void copy_downwards(Byte* to, const Byte* from, std::size_t count) {
  for (; count >= kBlock; count -= kBlock) copy_block(to + count - kBlock, from + count - kBlock);
  for (; count >= kChunk; count -= kChunk) chunk(to + count - kChunk) = chunk(from + count - kChunk);
  for (; count > 0; --count) to[count - 1] = from[count - 1];
}

}  // namespace

extern "C" {

void* memmove(void* to, const void* from, std::size_t count) {
  auto* target = static_cast<Byte*>(to);
  const auto* source = static_cast<const Byte*>(from);
  const auto distance = reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(from);
  if (distance >= count) {
    copy_upwards(target, source, count);
  } else {
    copy_downwards(target, source, count);
  }
  return to;
}

void* memcpy(void* to, const void* from, std::size_t count) {
  copy_upwards(static_cast<Byte*>(to), static_cast<const Byte*>(from), count);
  return to;
}

void* memset(void* to, int value, std::size_t count) {
  auto* target = static_cast<Byte*>(to);
  const auto byte = static_cast<Byte>(value);
  const std::uint64_t spread = 0x0101010101010101U * std::uint64_t{byte};
  const Chunk filled = {spread, spread};
  for (; count >= kBlock; count -= kBlock, target += kBlock) {
    for (std::size_t at = 0; at < kBlock; at += kChunk) chunk(target + at) = filled;
  }
  for (; count >= kChunk; count -= kChunk, target += kChunk) chunk(target) = filled;
  for (; count > 0; --count) *target++ = byte;
  return to;
}

}  // extern "C"
