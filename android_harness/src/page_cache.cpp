#include "page_cache.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "refused.hpp"

namespace runner {
namespace {

constexpr int kTries = 3;  // pages that were used a moment ago may need a second one

std::int64_t pages_in(std::int64_t size) {
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  return (size + page - 1) / page;
}

// How many pages are in memory. Brings none there.
std::optional<std::int64_t> resident_pages(int file, std::int64_t size) {
  if (size == 0) return 0;
  const auto length = static_cast<std::size_t>(size);
  void* mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED) return std::nullopt;
  std::vector<unsigned char> pages(static_cast<std::size_t>(pages_in(size)));
  const bool told = mincore(mapped, length, pages.data()) == 0;
  munmap(mapped, length);
  if (!told) return std::nullopt;
  std::int64_t count = 0;
  for (const unsigned char page : pages) count += page & 1;
  return count;
}

// Whether mincore tells the truth of a file: of those of others, all pages are there.
bool may_ask(const struct stat& status, const std::string& path) {
  const uid_t user = geteuid();
  return user == 0 || user == status.st_uid || access(path.c_str(), W_OK) == 0;
}

}  // namespace

FilePages drop_from_cache(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status{};
  if (file < 0 || fstat(file, &status) != 0) {
    const int failure = errno;
    if (file >= 0) close(file);
    throw Refused(std::string("can't read the model: ") + std::strerror(failure));
  }
  FilePages pages;
  pages.whole = pages_in(status.st_size);
  fsync(file);  // what is not on the disk yet can't be dropped
  for (int tried = 0; tried < kTries && pages.resident.value_or(1) != 0; ++tried) {
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    pages.resident = resident_pages(file, status.st_size);
  }
  if (pages.resident.value_or(0) != 0 && !may_ask(status, path)) pages.resident.reset();
  close(file);
  return pages;
}

}  // namespace runner
