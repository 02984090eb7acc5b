#pragma once
/// Files that are never seen half-written: written beside the target, synced, then renamed over it.

#include <filesystem>
#include <functional>
#include <span>
#include <string_view>

namespace duet {

class AtomicFile {
 public:
  /// Opens a temporary file beside `path`.
  explicit AtomicFile(std::filesystem::path path);
  /// Removes the temporary file unless it was committed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Throws DataError (disk full, no permission); what stood at `path` is then untouched.
  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Syncs and renames.
  void commit();

 private:
  [[noreturn]] void give_up(const char* action) const;

  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

void write_file_atomically(const std::filesystem::path& path, std::string_view text);

/// The whole file; DataError with the path when it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace duet
