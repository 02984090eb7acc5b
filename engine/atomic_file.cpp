#include "engine/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "kernels/base/error.h"

namespace duet {

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".tmp") {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) give_up("create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, next, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) give_up("write");
    next += written;
    bytes -= static_cast<std::size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) give_up("sync");
  const int descriptor = descriptor_;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) give_up("rename");
  descriptor_ = -1;
  ::close(descriptor);
  // The rename itself is safe only once the folder is synced.
  const std::filesystem::path parent = path_.has_parent_path() ? path_.parent_path() : ".";
  if (const int folder = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

void AtomicFile::give_up(const char* action) const {
  const int error = errno;
  fail<DataError>(
      "{}: cannot {} ({}); free space or choose another folder, what was there before is untouched",
      path_.string(), action, std::strerror(error));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || std::filesystem::is_directory(path))
    fail<DataError>("{}: cannot be read ({})", path.string(), std::strerror(errno));
  return text.str();
}

}  // namespace duet
