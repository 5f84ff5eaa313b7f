#include "model_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "refused.hpp"
#include "sha256.hpp"

namespace runner {
namespace {

[[noreturn]] void unreadable() {
  throw Refused(std::string("can't read the model: ") + std::strerror(errno));
}

struct stat status_of(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) unreadable();
  return status;
}

bool same(const struct stat& one, const struct stat& other) {
  return one.st_ino == other.st_ino && one.st_size == other.st_size &&
         one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

std::string sha256_of(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) unreadable();
  Sha256 sha256;
  std::vector<char> chunk(1 << 16);
  ssize_t size = 0;
  while ((size = read(file, chunk.data(), chunk.size())) > 0) {
    sha256.update(chunk.data(), static_cast<std::size_t>(size));
  }
  const int failure = errno;
  close(file);
  errno = failure;
  if (size < 0) unreadable();
  return sha256.hex();
}

void require_unchanged(const std::string& path, const struct stat& before) {
  if (!same(before, status_of(path))) {
    throw Refused("the model file changed while it was loaded");
  }
}

}  // namespace

std::string hash_around(const std::string& path, const std::function<void()>& load) {
  const struct stat before = status_of(path);
  std::string sha256 = sha256_of(path);
  load();
  require_unchanged(path, before);
  return sha256;
}

std::string hash_after(const std::string& path, const std::function<void()>& load) {
  const struct stat before = status_of(path);
  load();
  std::string sha256 = sha256_of(path);
  require_unchanged(path, before);
  return sha256;
}

}  // namespace runner
