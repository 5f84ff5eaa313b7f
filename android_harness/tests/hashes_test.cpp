// SHA-256 and base64 on their standards' own vectors, and a file's hash while it changes.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base64.hpp"
#include "check.hpp"
#include "model_file.hpp"
#include "sha256.hpp"

namespace {

std::string sha256(const std::string& text) {
  runner::Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

std::string encoded(const std::string& text) { return runner::base64(text.data(), text.size()); }

// A file with a content, gone at the end.
class File {
 public:
  explicit File(const std::string& content) {
    close(mkstemp(path_.data()));
    write(content);
  }
  ~File() { std::remove(path_.c_str()); }
  void write(const std::string& content) const { std::ofstream(path_) << content; }
  const std::string& path() const { return path_; }

 private:
  std::string path_ =
      (std::getenv("TMPDIR") ? std::getenv("TMPDIR") : std::string("/tmp")) + "/runner-test-XXXXXX";
};

}  // namespace

TEST(hashes, sha256_of_the_standards_examples) {
  CHECK_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQ(sha256(std::string(1'000'000, 'a')),
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(hashes, sha256_does_not_depend_on_the_pieces) {
  for (std::size_t piece = 1; piece < 130; ++piece) {
    runner::Sha256 hash;
    std::string text(300, 'x');
    while (!text.empty()) {
      hash.update(text.data(), std::min(piece, text.size()));
      text.erase(0, piece);
    }
    CHECK_EQ(hash.hex(), sha256(std::string(300, 'x')));
  }
}

TEST(hashes, base64_of_the_standards_examples) {
  CHECK_EQ(encoded(""), "");
  CHECK_EQ(encoded("f"), "Zg==");
  CHECK_EQ(encoded("fo"), "Zm8=");
  CHECK_EQ(encoded("foo"), "Zm9v");
  CHECK_EQ(encoded("foobar"), "Zm9vYmFy");
  CHECK_EQ(encoded("\xfb\xff\xfe"), "+//+");
}

TEST(hashes, a_file_is_hashed_and_then_loaded) {
  const File file("abc");
  bool loaded = false;
  CHECK_EQ(runner::hash_around(file.path(), [&] { loaded = true; }), sha256("abc"));
  CHECK(loaded);
}

TEST(hashes, a_file_that_changes_meanwhile_is_refused) {
  const File file("abc");
  CHECK_EQ(check::refusal([&] { runner::hash_around(file.path(), [&] { file.write("abcd"); }); }),
           "the model file changed while it was loaded");
}

TEST(hashes, a_file_that_is_not_there_is_refused) {
  CHECK_EQ(check::refusal([] { runner::hash_around("/nowhere/model.mnn", [] {}); }),
           "can't read the model: No such file or directory");
}

TEST(hashes, a_folder_is_refused) {
  CHECK_EQ(check::refusal([] { runner::hash_around("/", [] {}); }),
           "can't read the model: Is a directory");
}
