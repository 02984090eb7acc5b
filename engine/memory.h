#pragma once
/// Memory of a device, from a caching pool: a freed block is kept and handed out again, so that a
/// training step after the first asks the system for nothing and faults in no page.
///
/// The pool is ordered by the stream of compute, in which a device runs all its kernels: a block is
/// handed out again as soon as the host lets go of it, though kernels that use it may still wait in
/// the queue, because whoever gets it queues behind them. The stream of copies has an order of its
/// own. So what it writes into must have been taken before an event of the compute stream that it
/// has waited for, and may be given back only when the compute stream has waited for the copy
/// (staging.h does both).

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"

namespace duet {

/// A block of device memory, given back to its pool when the last owner lets go; or a piece of the
/// CPU's memory that something else owns.
class Storage {
 public:
  /// At least `bytes` bytes, uninitialised, aligned to 64.
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device);
  /// Memory of the CPU's that is there as long as `owner` is, which the storage holds on to.
  static std::shared_ptr<Storage> borrow(void* data, std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  Device device() const { return device_; }

 private:
  Storage(void* data, std::size_t capacity, Device device,
          std::shared_ptr<const void> owner = nullptr)
      : data_(data), capacity_(capacity), device_(device), owner_(std::move(owner)) {}

  void* data_;
  std::size_t capacity_;
  Device device_;
  std::shared_ptr<const void> owner_;  ///< null where the pool owns the block
};

struct MemoryStatistics {
  /// Bytes in use now, the most there were, and what the pool has from the system.
  std::size_t in_use = 0, peak = 0, reserved = 0;
  /// How many times the system was asked.
  std::size_t system_allocations = 0;
};
MemoryStatistics memory_statistics(Device device);

/// Blocks that a graph holds by their addresses: those that the device's pool hands out between
/// `open` and `close`, which nobody else gets until this object ends, even when they are given back
/// before. One thread at a time works on a device meanwhile.
class ReservedBlocks {
 public:
  explicit ReservedBlocks(Device device);
  ~ReservedBlocks();
  ReservedBlocks(const ReservedBlocks&) = delete;
  ReservedBlocks& operator=(const ReservedBlocks&) = delete;

  void open();
  void close();

 private:
  friend class Pool;
  Device device_;
  std::set<void*> blocks_;
  /// Those that were given back, by capacity.
  std::map<std::size_t, std::vector<void*>> idle_;
};

/// Scratch for one call, given back when the object ends. On the CPU a thread's calls get it from
/// the same block, which grows to what the most demanding of them has asked for: what one call has
/// left in the cache the next one overwrites, instead of fetching its own from memory. Those of one
/// thread end in the reverse order of their beginning.
class PoolWorkspace final : public Workspace {
 public:
  explicit PoolWorkspace(Device device);
  ~PoolWorkspace() override;
  PoolWorkspace(const PoolWorkspace&) = delete;
  PoolWorkspace& operator=(const PoolWorkspace&) = delete;
  void* allocate(std::size_t bytes) override;

 private:
  Device device_;
  /// Where this call's part of the thread's block begins, and how much has been asked for.
  std::size_t begin_ = 0, asked_ = 0;
  /// What the thread's block has no room for.
  std::vector<std::shared_ptr<Storage>> blocks_;
};

/// The Exec of one call of a row, which profilers and `RowTimes` see under the names of op and row.
class OpExec {
 public:
  OpExec(const RowInfo& row, Device device);
  ~OpExec();
  OpExec(const OpExec&) = delete;
  OpExec& operator=(const OpExec&) = delete;
  operator Exec&() { return exec_; }

 private:
  PoolWorkspace workspace_;
  Exec exec_;
  void (*pop_range_)() = nullptr;
  const RowInfo* timed_ = nullptr;  ///< null where nobody times
  std::chrono::steady_clock::time_point start_;
};

}  // namespace duet
