#include "engine/memory.h"

#include <bit>
#include <map>
#include <mutex>
#include <utility>

#include "engine/device.h"

namespace duet {
namespace {

/// Sizes are rounded up so that neighbours share blocks: to 64 bytes when small, then to an eighth
/// of a power of two.
std::size_t round_up(std::size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

class Pool {
 public:
  explicit Pool(Device device) : device_(device), api_(device_api(device.type)) {}

  void* take(std::size_t capacity) {
    const std::scoped_lock lock(mutex_);
    void* block = nullptr;
    if (auto& free = free_[capacity]; !free.empty()) {
      block = free.back();
      free.pop_back();
    } else {
      if (const char* why = api_.allocate(device_.index, capacity, &block)) {
        // What lies idle in other sizes may be enough.
        release_idle();
        if (api_.allocate(device_.index, capacity, &block))
          fail(
              "[memory] {} has no {} MiB left beside {} MiB in use ({}); a smaller batch size or "
              "input size needs less",
              describe(device_), (capacity >> 20) + 1, statistics_.in_use >> 20, why);
      }
      statistics_.reserved += capacity;
      ++statistics_.system_allocations;
    }
    statistics_.in_use += capacity;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
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
  void release_idle() {
    for (auto& [capacity, blocks] : free_) {
      for (void* block : blocks) api_.release(device_.index, block);
      statistics_.reserved -= capacity * blocks.size();
      blocks.clear();
    }
  }

  const Device device_;
  const DeviceApi& api_;
  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
  MemoryStatistics statistics_;
};

/// One a device. Never destroyed: tensors in static objects may outlive any order of destruction.
Pool& pool_of(Device device) {
  static Pool& cpu = *new Pool({});
  if (device.type == DeviceType::cpu) return cpu;
  static std::mutex mutex;
  static auto& pools = *new std::map<std::pair<DeviceType, int>, Pool>;
  const std::scoped_lock lock(mutex);
  return pools.try_emplace({device.type, device.index}, device).first->second;
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(std::size_t bytes, Device device) {
  const std::size_t capacity = round_up(bytes);
  return std::shared_ptr<Storage>(new Storage(pool_of(device).take(capacity), capacity, device));
}

Storage::~Storage() { pool_of(device_).give_back(data_, capacity_); }

MemoryStatistics memory_statistics(Device device) { return pool_of(device).statistics(); }

void* PoolWorkspace::allocate(std::size_t bytes) {
  blocks_.push_back(Storage::allocate(bytes, device_));
  return blocks_.back()->data();
}

OpExec::OpExec(Device device) : workspace_(device), exec_{device_stream(device), workspace_} {}

}  // namespace duet
