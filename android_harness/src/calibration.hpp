// How fast this core multiplies and adds: the arithmetic floor of a latency rests on it.
#pragma once

namespace runner {

// The best rate of a fixed loop over several bursts, about 6 ms in all, in fp32
// multiply-accumulates a second on this thread's core.
double calibrated_mac_per_s();

}  // namespace runner
