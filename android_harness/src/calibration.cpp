// The loop does nothing but multiply-accumulates on registers, in more independent chains than the
// core keeps in flight (Cortex-A76: two pipes x four cycles; X1: four x four). So it comes close to
// the peak, which is eight a cycle on a Cortex-A76.

#include "calibration.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "clock.hpp"

#ifdef __aarch64__
#include <arm_neon.h>
#endif

namespace runner {
namespace {

constexpr std::int64_t kBudgetNs = 6'000'000;
constexpr int kLeast = 3;
constexpr std::int64_t kMacs = 6'291'456;  // in one burst: 0.3 ms on the core of a fast phone

// Volatile, so that the compiler can neither merge chains nor compute a result in advance.
volatile float factor = 0.5F;
volatile float kept = 0.0F;

#ifdef __aarch64__

// Unrolled by hand, since an array that a loop indexes would have to be in memory.
template <std::size_t... kChain>
void burst_of(std::index_sequence<kChain...>) {
  // What is added is too small to change the sums, and yet not denormal.
  const float32x4_t left = vdupq_n_f32(factor * 0x1p-40F);
  const float32x4_t right = vdupq_n_f32(factor * 0x1p-40F);
  float32x4_t sums[sizeof...(kChain)];
  ((sums[kChain] = vdupq_n_f32(factor)), ...);
  for (std::int64_t step = kMacs / (4 * sizeof...(kChain)); step > 0; --step) {
    ((sums[kChain] = vfmaq_f32(sums[kChain], left, right)), ...);
  }
  float32x4_t total = vdupq_n_f32(0.0F);
  ((total = vaddq_f32(total, sums[kChain])), ...);
  kept = vaddvq_f32(total);
}

void burst() { burst_of(std::make_index_sequence<24>()); }  // of 32 registers

#else

// sum * scale + addend, in one instruction where the target has it (-ffp-contract=fast). Unrolled
// by hand, since an array that a loop indexes would have to be in memory.
template <typename Vector, std::size_t... kChain>
[[gnu::always_inline]] inline void burst_of(std::index_sequence<kChain...>) {
  constexpr std::int64_t kLanes = sizeof(Vector) / sizeof(float);
  const Vector scale = factor - Vector{};
  const Vector addend = factor - Vector{};
  Vector sums[sizeof...(kChain)];
  ((sums[kChain] = factor - Vector{}), ...);
  for (std::int64_t step = kMacs / (kLanes * sizeof...(kChain)); step > 0; --step) {
    ((sums[kChain] = sums[kChain] * scale + addend), ...);
  }
  Vector total = {};
  ((total += sums[kChain]), ...);
  kept = total[0];
}

using Chains = std::make_index_sequence<12>;  // of 16 registers

using Four [[gnu::vector_size(16)]] = float;

#ifdef __x86_64__

using Eight [[gnu::vector_size(32)]] = float;
using Sixteen [[gnu::vector_size(64)]] = float;

[[gnu::target("avx512f")]] void burst_avx512() { burst_of<Sixteen>(Chains()); }
[[gnu::target("avx2,fma")]] void burst_avx2() { burst_of<Eight>(Chains()); }

void burst() {
  if (__builtin_cpu_supports("avx512f")) {
    burst_avx512();
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    burst_avx2();
  } else {
    burst_of<Four>(Chains());
  }
}

#else

void burst() { burst_of<Four>(Chains()); }

#endif
#endif

}  // namespace

double calibrated_mac_per_s() {
  const std::int64_t deadline = wall_ns() + kBudgetNs;
  std::int64_t best = INT64_MAX;
  for (int count = 0; count < kLeast || wall_ns() < deadline; ++count) {
    const std::int64_t start = wall_ns();
    burst();
    best = std::min(best, wall_ns() - start);
  }
  return static_cast<double>(kMacs) * 1e9 / static_cast<double>(std::max<std::int64_t>(best, 1));
}

}  // namespace runner
