#pragma once
/// One program at a time works on a folder.

#include <filesystem>

namespace duet {

class RunLock {
 public:
  /// Takes the folder, which must be there; a UsageError where another program has it. It is let go
  /// with this object, or when the program ends in whatever way. A file system without locks is
  /// trusted.
  explicit RunLock(const std::filesystem::path& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace duet
