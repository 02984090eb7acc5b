#pragma once
/// Memory of a device, from a caching pool: a freed block is kept and handed out again, so that a
/// training step after the first asks the system for nothing and faults in no page. A device runs
/// all kernels in one stream, so that a block may be handed out again before its last kernel ran.

#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/base/exec.h"

namespace duet {

/// A block of device memory, given back to its pool when the last owner lets go.
class Storage {
 public:
  /// At least `bytes` bytes, uninitialised, aligned to 64.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  Device device() const { return device_; }

 private:
  Storage(void* data, std::size_t capacity, Device device)
      : data_(data), capacity_(capacity), device_(device) {}

  void* data_;
  std::size_t capacity_;
  Device device_;
};

struct MemoryStatistics {
  /// Bytes in use now, the most there were, and what the pool has from the system.
  std::size_t in_use = 0, peak = 0, reserved = 0;
  /// How many times the system was asked.
  std::size_t system_allocations = 0;
};
MemoryStatistics memory_statistics(Device device);

/// Scratch from the pool, given back when the object ends.
class PoolWorkspace final : public Workspace {
 public:
  explicit PoolWorkspace(Device device) : device_(device) {}
  void* allocate(std::size_t bytes) override;

 private:
  Device device_;
  std::vector<std::shared_ptr<Storage>> blocks_;
};

/// The Exec of one op call on a device.
class OpExec {
 public:
  explicit OpExec(Device device);
  operator Exec&() { return exec_; }

 private:
  PoolWorkspace workspace_;
  Exec exec_;
};

}  // namespace duet
