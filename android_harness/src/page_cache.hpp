// What the kernel keeps of a file in memory: dropped where it lets us, and looked at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace runner {

struct FilePages {
  std::int64_t whole = 0;                // all pages of the file
  std::optional<std::int64_t> resident;  // those in memory; none where the system doesn't tell
};

// Asks the kernel to forget a file's pages, and returns what is left of them in its cache. No rights
// are needed for that. Pages that another process has mapped stay, and all pages of a file that
// lives in memory (tmpfs). Throws Refused if the file can't be read.
FilePages drop_from_cache(const std::string& path);

}  // namespace runner
