// Base64 (RFC 4648, section 4), padded.
#pragma once

#include <cstddef>
#include <string>

namespace runner {

std::string base64(const void* data, std::size_t size);

}  // namespace runner
