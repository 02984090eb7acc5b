#include "engine/memory.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace duet {
namespace {

/// Sizes are rounded up so that neighbours share blocks: to 64 bytes when small, then to an eighth
/// of a power of two.
std::size_t round_up(std::size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

constexpr std::size_t huge_page = std::size_t{2} << 20;

class Pool {
 public:
  void* take(std::size_t capacity) {
    const std::scoped_lock lock(mutex_);
    statistics_.in_use += capacity;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
    if (auto& free = free_[capacity]; !free.empty()) {
      void* block = free.back();
      free.pop_back();
      return block;
    }
    const std::size_t alignment = capacity >= huge_page ? huge_page : 64;
    void* block = std::aligned_alloc(alignment, (capacity + alignment - 1) / alignment * alignment);
    if (!block) {
      statistics_.in_use -= capacity;
      fail("[memory] the system has no {} MiB left; a smaller batch size or input size needs less",
           (capacity >> 20) + 1);
    }
#if defined(MADV_HUGEPAGE)
    if (capacity >= huge_page) madvise(block, capacity, MADV_HUGEPAGE);
#endif
    statistics_.reserved += capacity;
    ++statistics_.system_allocations;
    return block;
  }

  void give_back(void* block, std::size_t capacity) {
    const std::scoped_lock lock(mutex_);
    statistics_.in_use -= capacity;
    free_[capacity].push_back(block);
  }

  MemoryStatistics statistics() {
    const std::scoped_lock lock(mutex_);
    return statistics_;
  }

 private:
  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  MemoryStatistics statistics_;
};

/// Never destroyed: tensors in static objects may outlive any order of destruction.
Pool& cpu_pool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
  const std::size_t capacity = round_up(bytes);
  return std::shared_ptr<Storage>(new Storage(cpu_pool().take(capacity), capacity, device));
}

Storage::~Storage() { cpu_pool().give_back(data_, capacity_); }

MemoryStatistics memory_statistics(Device) { return cpu_pool().statistics(); }

void* PoolWorkspace::allocate(std::size_t bytes) {
  blocks_.push_back(Storage::allocate(bytes, device_));
  return blocks_.back()->data();
}

}  // namespace duet
