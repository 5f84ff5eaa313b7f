// Whether MNN's tensors lie in memory as this program was compiled to read them.
#pragma once

namespace runner {

// Makes a tensor, fills it, and reads it back by every way that the runner uses. Throws Refused if
// anything differs.
void check_layout();

}  // namespace runner
