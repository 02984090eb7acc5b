#pragma once
/// Where the time of a stretch of work goes, row by row.

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "kernels/base/rows.h"

namespace duet {

/// While it lives, every call of a row is timed; on a device other than the CPU each call is waited
/// for, so that the sum is more than the work takes without. One at a time.
class RowTimes {
 public:
  struct Entry {
    double seconds = 0;
    std::int64_t calls = 0;
  };

  RowTimes();
  ~RowTimes();
  RowTimes(const RowTimes&) = delete;
  RowTimes& operator=(const RowTimes&) = delete;

  /// By "op row".
  std::map<std::string, Entry> entries() const;
  void clear();

  /// The one that lives, or null.
  static RowTimes* active();
  void add(const RowInfo& row, std::chrono::steady_clock::duration time);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace duet
