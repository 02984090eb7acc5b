#include "kernels/simt/memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "kernels/base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace duet::simt {
namespace {

constexpr std::size_t range_bytes = std::size_t{1} << 38;
constexpr std::size_t gap_bytes = 256;
constexpr std::size_t page = 4096;

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

/// Maps address space by the bare system call: ThreadSanitizer's own mmap would touch the shadow of
/// the whole range.
char* reserve() {
  const long address = syscall(SYS_mmap, nullptr, range_bytes, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0L);
  require(address != -1, "[simt] {} GiB of address space for device memory: {}", range_bytes >> 30,
          std::strerror(errno));
  return reinterpret_cast<char*>(address);
}

struct Buffer {
  std::size_t bytes;
  std::uint64_t last_use = 0;
};

struct Memory {
  std::recursive_mutex mutex;
  char* base = nullptr;
  std::size_t used = 0;
  /// The buffers in use, by address.
  std::map<std::uintptr_t, Buffer> live;
  std::uint64_t uses = 0;
  MemoryStatistics statistics;
  bool protection = false;
  int accesses = 0;

  Memory() {
    const char* text = std::getenv("DUET_SIMT_PROTECT");
    protection = text && std::atoi(text) != 0;
  }

  void set_access(int rights) {
    if (used) mprotect(base, round_up(used, page), rights);
  }

  /// The buffer that holds the pointer, or the one that ends there.
  auto find(const void* pointer) {
    const auto address = reinterpret_cast<std::uintptr_t>(pointer);
    auto it = live.upper_bound(address);
    if (it == live.begin()) return live.end();
    --it;
    return address <= it->first + it->second.bytes ? it : live.end();
  }

  bool in_range(const void* pointer) const {
    const char* p = static_cast<const char*>(pointer);
    return base && p >= base && p < base + used;
  }

  void require_inside(const char* what, const void* pointer, std::size_t bytes) {
    if (!in_range(pointer)) return;
    const auto it = find(pointer);
    require(it != live.end(), "[simt] {} {} bytes at {}, which is in no buffer in use", what, bytes,
            pointer);
    const std::size_t offset = reinterpret_cast<std::uintptr_t>(pointer) - it->first;
    require(offset + bytes <= it->second.bytes,
            "[simt] {} {} bytes from byte {} of a buffer of {} bytes: {} too many", what, bytes,
            offset, it->second.bytes, offset + bytes - it->second.bytes);
  }
};

Memory& memory() {
  // Never destroyed: tensors with static lifetime are freed after it would be.
  static Memory& instance = *new Memory;
  return instance;
}

}  // namespace

HostAccess::HostAccess() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (m.accesses++ == 0 && m.protection) m.set_access(PROT_READ | PROT_WRITE);
}

HostAccess::~HostAccess() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (--m.accesses == 0 && m.protection) m.set_access(PROT_NONE);
}

void set_protection(bool on) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  m.protection = on;
  if (m.accesses == 0) m.set_access(on ? PROT_NONE : PROT_READ | PROT_WRITE);
}

void* allocate(std::size_t bytes) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const HostAccess access;
  if (!m.base) m.base = reserve();
  const std::size_t span = round_up(bytes + gap_bytes, gap_bytes);
  require(bytes <= range_bytes && m.used + span <= range_bytes,
          "[simt] {} bytes do not fit: {} GiB have been allocated since the start and no address "
          "is used twice",
          bytes, m.used >> 30);
  char* p = m.base + m.used;
  const std::size_t mapped = round_up(m.used, page), wanted = round_up(m.used + span, page);
  if (wanted > mapped)
    require(mprotect(m.base + mapped, wanted - mapped, PROT_READ | PROT_WRITE) == 0,
            "[simt] {} bytes of device memory: {}", bytes, std::strerror(errno));
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(p, span);
#endif
  std::memset(p, 0xff, span);
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(p + bytes, span - bytes);
#endif
  m.used += span;
  m.live[reinterpret_cast<std::uintptr_t>(p)] = {bytes};
  m.statistics.allocations++;
  m.statistics.bytes_in_use += bytes;
  m.statistics.peak_bytes = std::max(m.statistics.peak_bytes, m.statistics.bytes_in_use);
  return p;
}

void deallocate(void* pointer) {
  if (!pointer) return;
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const auto it = m.live.find(reinterpret_cast<std::uintptr_t>(pointer));
  require(it != m.live.end(), "[simt] {} is freed, which is {}", pointer,
          m.in_range(pointer) ? "free already or inside a buffer" : "not device memory");
  const std::uintptr_t address = it->first;
  const std::size_t bytes = it->second.bytes;
  m.live.erase(it);
  m.statistics.bytes_in_use -= bytes;
  // Pages that hold nothing else go back to the system; what stays is NaN again.
  const std::uintptr_t end = address + bytes;
  const std::uintptr_t first = std::min(round_up(address, page), end);
  const std::uintptr_t last = std::max(end / page * page, first);
  const HostAccess access;
  std::memset(pointer, 0xff, first - address);
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  std::memset(reinterpret_cast<void*>(last), 0xff, end - last);
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(pointer, bytes);
#endif
}

void copy(void* to, const void* from, std::size_t bytes) {
  Memory& m = memory();
  const HostAccess access;
  {
    const std::lock_guard lock(m.mutex);
    m.require_inside("copying to", to, bytes);
    m.require_inside("copying from", from, bytes);
  }
  if (bytes) std::memmove(to, from, bytes);
}

void fill(void* to, unsigned char value, std::size_t bytes) {
  Memory& m = memory();
  const HostAccess access;
  {
    const std::lock_guard lock(m.mutex);
    m.require_inside("filling", to, bytes);
  }
  if (bytes) std::memset(to, value, bytes);
}

bool contains(const void* pointer) { return classify(pointer) == PointerKind::live; }

bool in_device_range(const void* address) { return memory().in_range(address); }

PointerKind classify(const void* pointer) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (!m.in_range(pointer)) return PointerKind::host;
  return m.find(pointer) == m.live.end() ? PointerKind::freed : PointerKind::live;
}

void note_use(const void* pointer) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (!m.in_range(pointer)) return;
  if (const auto it = m.find(pointer); it != m.live.end()) it->second.last_use = ++m.uses;
}

std::uint64_t use_count() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  return m.uses;
}

std::uint64_t last_use(const void* pointer) {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  if (!m.in_range(pointer)) return 0;
  const auto it = m.find(pointer);
  return it == m.live.end() ? 0 : it->second.last_use;
}

bool gap_is_intact(const void* pointer) {
#if defined(__SANITIZE_ADDRESS__)
  (void)pointer;  // guarded: who writes there has been stopped
  return true;
#else
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  const HostAccess access;
  const auto it = m.find(pointer);
  if (it == m.live.end()) return true;
  const auto* gap = reinterpret_cast<const unsigned char*>(it->first + it->second.bytes);
  return std::all_of(gap, gap + gap_bytes, [](unsigned char byte) { return byte == 0xff; });
#endif
}

MemoryStatistics memory_statistics() {
  Memory& m = memory();
  const std::lock_guard lock(m.mutex);
  return m.statistics;
}

}  // namespace duet::simt
