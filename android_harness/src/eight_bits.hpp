// Values into a tensor that MNN keeps in 8 bits: it gives them as floats, and takes none.
#pragma once

#include <string>
#include <vector>

#include "operator.hpp"

namespace runner {

// Whether an operator of this type, as MNN calls it, reads tensors that are kept in 8 bits.
bool reads_8_bits(const std::string& type);

// Writes `wanted`, rounded to the tensor's steps, into the memory of a tensor that holds `held`;
// both are row by row. MNN tells neither how the numbers lie there nor what they stand for: that is
// found from what is held. Returns false, and changes nothing, where it can't be made out: a tensor
// whose values are all equal doesn't tell its step.
bool write_in_8_bits(void* memory, const Shape& shape, const std::vector<float>& held,
                     const std::vector<float>& wanted);

}  // namespace runner
