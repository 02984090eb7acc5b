#pragma once
/// What kernels ask of memory, counted warp by warp: how many sectors of device memory each request
/// touches, and how often lanes meet in a bank of shared memory. Counted in the flavour `traffic`
/// alone (cmake/simt.cmake), in which the compiler calls the functions of traffic.cpp at every
/// access.
///
/// The lanes of a warp run one after another here. What they do at one place in the code for the
/// n-th time since they last waited for each other (barrier, warp operation) is taken for one
/// request, as if branches and loops always met again. An access is as wide as the source says:
/// what nvcc joins, or reads again for lack of registers, is not seen.

#include <cstdint>
#include <vector>

namespace duet::simt {

enum class Space : unsigned char { device, shared };
enum class Access : unsigned char { load, store, atomic };

/// One place in a kernel's code, at one width.
struct AccessPlace {
  const void* code;  ///< the address behind it
  Space space;
  Access access;
  unsigned bytes;          ///< of one lane: 1 to 16
  std::uint64_t requests;  ///< by a warp
  std::uint64_t lanes;     ///< that took part in them
  /// Of device memory: sectors of 32 bytes. Of shared memory: turns, in each of which every bank
  /// gives one word of 4 bytes; 8 bytes a lane take a turn for each half of the warp, 16 bytes one
  /// for each quarter (a GPU can do with fewer where halves or quarters want the same words).
  std::uint64_t units;
  /// What they would be without bytes that nobody asked for, and without conflicts.
  std::uint64_t least_units;
};

struct KernelTraffic {
  const void* kernel;
  std::uint64_t launches = 0;
  /// Bytes of the sectors that a launch loads from and stores to, each counted once: what memory
  /// must move if the L2 cache keeps everything during a launch and nothing from one to the next.
  std::uint64_t loaded = 0, stored = 0;
  std::vector<AccessPlace> places;
};

/// Of all kernels launched since the last call, in the order of their first launches.
std::vector<KernelTraffic> take_traffic();

// ---- Between the emulator and the count.

/// An access of up to 16 bytes by the running thread (emulator.cpp); none where no kernel runs.
void access_memory(const void* code, const void* address, unsigned bytes, Access access);

/// An access by a thread of the running block, which has waited for others `meetings` times.
void note_access(int thread, unsigned meetings, const AccessPlace& place, const void* address);
/// All threads of the block have met: what came before is complete.
void count_requests();
/// The end of a launch.
void count_launch(const void* kernel);

}  // namespace duet::simt
