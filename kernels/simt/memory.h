#pragma once
/// The emulated device's memory. It has an address range of its own, of which no address is used
/// twice, so that a pointer to the host's memory or into a freed buffer can be told. A fresh buffer
/// is filled with 0xFF bytes (NaN), and so is the gap behind it, which AddressSanitizer guards.
///
/// With DUET_SIMT_PROTECT=1 host code that reads or writes device memory other than by these
/// functions faults; that costs microseconds a launch, or milliseconds where there is much memory.

#include <cstddef>
#include <cstdint>

namespace duet::simt {

/// Aligned to 256 bytes. Throws Error when the address range is used up.
void* allocate(std::size_t bytes);
/// Throws Error unless `pointer` came from `allocate` and is in use, or is null.
void deallocate(void* pointer);
/// Either side may be device memory, the host's, or both. Throws Error where a buffer of the device
/// is overrun or already freed.
void copy(void* to, const void* from, std::size_t bytes);
void fill(void* to, unsigned char value, std::size_t bytes);

/// Whether `pointer` points into a buffer in use (or right behind its end).
bool contains(const void* pointer);

/// Whether an address is in a buffer of the device, in use or not, or between two. Takes no lock.
bool in_device_range(const void* address);

enum class PointerKind : unsigned char { live, freed, host };
PointerKind classify(const void* pointer);

/// The compute stream uses the buffer that holds `pointer`; nothing for an address of the host's.
void note_use(const void* pointer);
/// How many uses there have been, of any buffer.
std::uint64_t use_count();
/// Which one of these was the buffer's last; 0 where none was.
std::uint64_t last_use(const void* pointer);

/// Whether the gap behind the buffer that holds `pointer` is as it was made.
bool gap_is_intact(const void* pointer);

struct MemoryStatistics {
  std::size_t bytes_in_use = 0;
  std::size_t peak_bytes = 0;
  std::uint64_t allocations = 0;
};
MemoryStatistics memory_statistics();

/// While it lives, the host may read and write device memory.
class HostAccess {
 public:
  HostAccess();
  ~HostAccess();
  HostAccess(const HostAccess&) = delete;
  HostAccess& operator=(const HostAccess&) = delete;
};

/// What DUET_SIMT_PROTECT sets.
void set_protection(bool on);

}  // namespace duet::simt
