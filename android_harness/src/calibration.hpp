// How fast this core multiplies and adds; the lowest possible latency follows from it.
#pragma once

namespace runner {

// The best rate over several bursts of a fixed loop, in fp32 multiply-accumulates a second on this
// thread's core. Takes about 6 ms.
double calibrated_mac_per_s();

}  // namespace runner
