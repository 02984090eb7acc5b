#include "engine/memory.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <utility>

#include "engine/device.h"
#include "engine/row_times.h"

namespace duet {
namespace {

using Idle = std::map<std::size_t, std::vector<void*>>;

/// The least idle block of at least that capacity, which then becomes the block's, but none that is
/// more than a half too large; null where there is none. Small ones have the very capacity: they
/// save little by serving others, and may be missed where they are expected, which lets the same
/// requests, made again, ask the system again.
void* pop(Idle& idle, std::size_t& capacity) {
  constexpr std::size_t small = std::size_t{1} << 20;
  const std::size_t most = capacity < small ? capacity : capacity + capacity / 2;
  for (auto found = idle.lower_bound(capacity); found != idle.end() && found->first <= most;
       ++found) {
    if (found->second.empty()) continue;
    void* block = found->second.back();
    found->second.pop_back();
    capacity = found->first;
    return block;
  }
  return nullptr;
}

/// Sizes are rounded up so that neighbours share blocks: to 64 bytes when small, then to an eighth
/// of a power of two.
std::size_t round_up(std::size_t bytes) {
  if (bytes <= 512) return (bytes + 63) / 64 * 64 + (bytes == 0 ? 64 : 0);
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  return (bytes + step - 1) / step * step;
}

}  // namespace

class Pool {
 public:
  explicit Pool(Device device) : device_(device), api_(device_api(device.type)) {}

  /// A block of at least `capacity` bytes, which becomes what it has.
  void* take(std::size_t& capacity) {
    const std::scoped_lock lock(mutex_);
    void* block = open_ ? pop(open_->idle_, capacity) : nullptr;
    if (!block) block = pop(idle_, capacity);
    if (!block) {
      if (api_.allocate(device_.index, capacity, &block)) {
        // What lies idle in other sizes may be enough.
        release_idle();
        if (const char* why = api_.allocate(device_.index, capacity, &block))
          fail(
              "[memory] {} has no {} MiB left beside {} MiB in use ({}); a smaller batch size or "
              "input size needs less",
              describe(device_), (capacity >> 20) + 1, statistics_.in_use >> 20, why);
      }
      statistics_.reserved += capacity;
      ++statistics_.system_allocations;
    }
    if (open_) open_->blocks_.insert(block);
    statistics_.in_use += capacity;
    statistics_.peak = std::max(statistics_.peak, statistics_.in_use);
    return block;
  }

  void give_back(void* block, std::size_t capacity) {
    const std::scoped_lock lock(mutex_);
    statistics_.in_use -= capacity;
    for (ReservedBlocks* reserved : reserved_)
      if (reserved->blocks_.contains(block)) return reserved->idle_[capacity].push_back(block);
    idle_[capacity].push_back(block);
  }

  void reserve(ReservedBlocks& reserved) {
    const std::scoped_lock lock(mutex_);
    reserved_.push_back(&reserved);
  }

  /// While it is not null, all that is handed out belongs to it.
  void open(ReservedBlocks* reserved) {
    const std::scoped_lock lock(mutex_);
    open_ = reserved;
  }

  void release(ReservedBlocks& reserved) {
    const std::scoped_lock lock(mutex_);
    if (open_ == &reserved) open_ = nullptr;
    std::erase(reserved_, &reserved);
    for (auto& [capacity, blocks] : reserved.idle_)
      idle_[capacity].insert(idle_[capacity].end(), blocks.begin(), blocks.end());
  }

  MemoryStatistics statistics() {
    const std::scoped_lock lock(mutex_);
    return statistics_;
  }

 private:
  void release_idle() {
    for (auto& [capacity, blocks] : idle_) {
      for (void* block : blocks) api_.release(device_.index, block);
      statistics_.reserved -= capacity * blocks.size();
      blocks.clear();
    }
  }

  const Device device_;
  const DeviceApi& api_;
  std::mutex mutex_;
  Idle idle_;
  std::vector<ReservedBlocks*> reserved_;
  ReservedBlocks* open_ = nullptr;
  MemoryStatistics statistics_;
};

namespace {

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
  std::size_t capacity = round_up(bytes);
  void* block = pool_of(device).take(capacity);
  return std::shared_ptr<Storage>(new Storage(block, capacity, device));
}

std::shared_ptr<Storage> Storage::borrow(void* data, std::shared_ptr<const void> owner) {
  return std::shared_ptr<Storage>(new Storage(data, 0, {}, std::move(owner)));
}

Storage::~Storage() {
  if (!owner_) pool_of(device_).give_back(data_, capacity_);
}

MemoryStatistics memory_statistics(Device device) { return pool_of(device).statistics(); }

namespace {

struct ThreadScratch {
  std::shared_ptr<Storage> block;
  std::size_t capacity = 0, used = 0, wanted = 0;
};
thread_local ThreadScratch scratch;

}  // namespace

PoolWorkspace::PoolWorkspace(Device device) : device_(device), begin_(scratch.used) {
  if (device_.type != DeviceType::cpu || scratch.used > 0 || scratch.wanted <= scratch.capacity)
    return;
  scratch.block.reset();
  scratch.capacity = 0;
  scratch.block = Storage::allocate(scratch.wanted, device_);
  scratch.capacity = scratch.wanted;
}

PoolWorkspace::~PoolWorkspace() {
  scratch.used = begin_;
  if (device_.type == DeviceType::cpu) scratch.wanted = std::max(scratch.wanted, begin_ + asked_);
}

void* PoolWorkspace::allocate(std::size_t bytes) {
  const std::size_t size = (bytes + 63) / 64 * 64;
  asked_ += size;
  if (device_.type == DeviceType::cpu && scratch.used + size <= scratch.capacity) {
    void* const data = static_cast<std::byte*>(scratch.block->data()) + scratch.used;
    scratch.used += size;
    return data;
  }
  blocks_.push_back(Storage::allocate(bytes, device_));
  return blocks_.back()->data();
}

ReservedBlocks::ReservedBlocks(Device device) : device_(device) { pool_of(device).reserve(*this); }
ReservedBlocks::~ReservedBlocks() { pool_of(device_).release(*this); }
void ReservedBlocks::open() { pool_of(device_).open(this); }
void ReservedBlocks::close() { pool_of(device_).open(nullptr); }

OpExec::OpExec(const RowInfo& row, Device device)
    : workspace_(device), exec_{device_stream(device), workspace_} {
  const DeviceApi& api = device_api(device.type);
  if (RowTimes::active()) {
    timed_ = &row;
    api.synchronize(exec_.stream);
    start_ = std::chrono::steady_clock::now();
  }
  if (!api.push_range) return;
  api.push_range(fmt::format("{} {}", row.op, row.name).c_str());
  pop_range_ = api.pop_range;
}

OpExec::~OpExec() {
  if (pop_range_) pop_range_();
  RowTimes* times = timed_ ? RowTimes::active() : nullptr;
  if (!times) return;
  device_api(exec_.stream.device.type).synchronize(exec_.stream);
  times->add(*timed_, std::chrono::steady_clock::now() - start_);
}

}  // namespace duet
