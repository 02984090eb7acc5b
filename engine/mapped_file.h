#pragma once
/// A file seen as memory: its pages come when they are looked at, and stay the system's own.

#include <cstddef>
#include <filesystem>
#include <span>

namespace duet {

/// Read-only: writing to it ends the process, as does looking at what another program has cut off
/// meanwhile. A file that is renamed over this one (atomic_file.h) changes nothing here.
class MappedFile {
 public:
  /// DataError, with the path, when the file cannot be opened or mapped.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// The whole file, from the beginning of a page.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace duet
