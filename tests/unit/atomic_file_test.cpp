#include "engine/atomic_file.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "engine/safetensors.h"
#include "tests/skip.h"
#include "tests/temporary_folder.h"

using namespace duet;

namespace {

/// While it lives no file may grow beyond a size: to a writing program this is a full disk.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit limit{bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

std::size_t files_in(const TemporaryFolder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("atomic_file: the target changes at commit, and nothing stays beside it") {
  const TemporaryFolder folder;
  const auto path = folder / "a.txt";
  write_file_atomically(path, "old");
  {
    AtomicFile file(path);
    file.write("ne");
    file.write("w");
    CHECK(read_file(path) == "old");
    file.commit();
    CHECK(read_file(path) == "new");
  }
  CHECK(files_in(folder) == 1);
  {
    AtomicFile dropped(path);
    dropped.write("never committed");
  }
  CHECK(read_file(path) == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: a temporary left by a killed program is no obstacle") {
  const TemporaryFolder folder;
  write_text(folder / "a.txt.tmp", "a longer text that a killed program left");
  write_file_atomically(folder / "a.txt", "new");
  CHECK(read_file(folder / "a.txt") == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: a name without a folder is a file in the working folder") {
  const std::filesystem::path before = std::filesystem::current_path();
  const TemporaryFolder folder;
  std::filesystem::current_path(folder.path());
  write_file_atomically("a.txt", "here");
  std::filesystem::current_path(before);
  CHECK(read_file(folder / "a.txt") == "here");
}

TEST_CASE("atomic_file: a full disk is a DataError, and the previous file survives") {
  const TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  const std::map<std::string, Tensor> small = {{"a", Tensor::full({10}, 1)}},
                                      large = {{"a", Tensor::full({100'000}, 2)}};
  write_safetensors(path, small, {});
  const std::string before = read_file(path);
  std::string message;
  {
    const FullDisk full(50'000);
    message = message_of<DataError>([&] { write_safetensors(path, large, {}); });
  }
  CHECK(message == path.string() +
                       ": cannot write (File too large); free space or choose another folder, "
                       "what was there before is untouched");
  CHECK(read_file(path) == before);
  CHECK(files_in(folder) == 1);
  write_safetensors(path, large, {});
  CHECK(read_safetensors(path).at("a").span<float>()[99'999] == 2);
}

TEST_CASE("atomic_file: folders that cannot be written to") {
  const TemporaryFolder folder;
  const auto refused = [](const std::filesystem::path& path) {
    return message_of<DataError>([&] { write_file_atomically(path, "x"); });
  };
  CHECK(refused(folder / "missing" / "a").find("missing/a: cannot create (No such file") !=
        std::string::npos);
  write_text(folder / "file", "");
  CHECK(refused(folder / "file" / "a").find("(Not a directory)") != std::string::npos);
  std::filesystem::create_directory(folder / "taken");
  CHECK(refused(folder / "taken").find("cannot rename (Is a directory)") != std::string::npos);
  CHECK(files_in(folder) == 2);
}

TEST_CASE("atomic_file: a folder without permission to write") {
  if (geteuid() == 0) return test::skip("root may write everywhere");
  const TemporaryFolder folder;
  write_text(folder / "closed" / "a", "old");
  ::chmod((folder / "closed").c_str(), 0555);
  const std::string message =
      message_of<DataError>([&] { write_file_atomically(folder / "closed" / "a", "new"); });
  ::chmod((folder / "closed").c_str(), 0755);
  CHECK(message.find("cannot create (Permission denied)") != std::string::npos);
  CHECK(read_file(folder / "closed" / "a") == "old");
}

TEST_CASE("atomic_file: read_file") {
  const TemporaryFolder folder;
  const std::string bytes("a\0b\r\n\xff", 6);
  write_text(folder / "bytes", bytes);
  write_text(folder / "empty", "");
  CHECK(read_file(folder / "bytes") == bytes);
  CHECK(read_file(folder / "empty").empty());
  CHECK_THROWS_WITH_AS(read_file(folder / "missing"), doctest::Contains("missing: cannot be read"),
                       DataError);
  CHECK_THROWS_AS(read_file(folder.path()), DataError);
}
