#pragma once
/// Runs a grid of CUDA threads on one core of the CPU. A thread is a fiber; the blocks of a grid
/// run one after the other, in random order; within a block, threads take turns at barriers and
/// warp operations. The order is drawn from a seed, so that what fails can be repeated.
///
/// Whichever thread of the host launches: one at a time, the others wait.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/simt/launch.h"
#include "kernels/simt/vector_types.h"

namespace duet::simt {

/// The seed of all launches from now on (1, or what DUET_SIMT_SEED says, at the start). Launches
/// are counted from here, and each draws its order from the seed and its number.
void set_seed(std::uint64_t seed);

/// Who goes on when a thread waits. Threads that are picked uniformly keep all warps in step and
/// never show a hazard between two rounds of a loop; `sticky` runs a warp as far as it can go
/// before another starts. `mixed`, the default, draws for each block: sticky (1/2), leaving a warp
/// with chance 1/16 (1/4), uniform (1/4). Lanes within a warp come in random order always.
enum class Schedule : unsigned char { mixed, sticky, uniform };
void set_schedule(Schedule schedule);

/// Since the start of the program.
struct Statistics {
  std::uint64_t launches = 0, blocks = 0, threads = 0;
  std::uint64_t switches = 0, barriers = 0, warp_operations = 0;
};
Statistics statistics();

// ---- What the dialect stands on. The rest of this file is called from kernels.

/// The running thread's threadIdx, and the rest of its built-in variables.
extern const uint3* current_thread;
extern uint3 current_block;
extern dim3 current_block_extent;
extern dim3 current_grid_extent;

/// Position of the running thread in its warp.
unsigned lane();

/// One for each SIMT_SHARED in the source and each instance of the template around it.
struct SharedSlot {
  std::uint64_t block = 0;
  void* object = nullptr;
};
/// The running block's object: of exactly this size, filled with NaN.
void* shared_object(SharedSlot& slot, std::size_t bytes, const char* name, Site site);
void* dynamic_shared();

/// Waits for all threads of the block; returns how many came with a true predicate.
int block_barrier(bool predicate, Site site);
/// Wait for the lanes in `mask`, the running one among them; lanes that have returned do not count.
void warp_barrier(unsigned mask, Site site);
/// The value that lane `source` came with; 0xFF bytes where it takes no part.
std::uint64_t warp_shuffle(unsigned mask, std::uint64_t value, int source, Site site);
/// A bit for each lane that came with a true predicate.
unsigned warp_ballot(unsigned mask, bool predicate, Site site);
/// The registers of mma.h; all 32 lanes must come.
void warp_mma_tf32(float* d, const unsigned* a, const unsigned* b, Site site);
void warp_mma_bf16(float* d, const unsigned* a, const unsigned* b, Site site);
/// The addresses that the 32 lanes, all of which must come, bring for ldmatrix: 16 bytes of shared
/// memory each.
void warp_matrix_rows(const void* row, const void* (&rows)[32], Site site);

/// Orders memory accesses between blocks, for the race detector.
void memory_fence();

/// A copy of 16 bytes under way; `from` null means zeros.
struct AsyncCopy {
  void* to = nullptr;
  const void* from = nullptr;
};
/// Checks the addresses and notes the copy.
void async_issue(void* to, const void* from, bool predicate, Site site);
void async_commit();
/// The next copy that a wait for all but the last `groups_under_way` groups delivers; `to` is null
/// when there are no more.
AsyncCopy async_deliver(int groups_under_way);

struct GridLaunch {
  const void* kernel;
  Site site;
  dim3 grid, block;
  std::size_t dynamic_shared_bytes;
  void (*body)(const void* arguments);
  const void* arguments;
  /// A copy of the arguments, for a graph that launches again.
  std::shared_ptr<const void> (*keep)(const void* arguments);
  /// The arguments that are pointers (null stands for one that is none).
  const void* const* pointers;
  int pointer_count;
};
void run_grid(const GridLaunch& launch);

template <class T>
const void* pointer_argument(const T& value) {
  if constexpr (std::is_pointer_v<T> && !std::is_function_v<std::remove_pointer_t<T>>)
    return value;
  else
    return nullptr;
}

template <class... Parameters, class... Arguments>
static void launch_grid(const LaunchStream& at, void (*kernel)(Parameters...), dim3 grid,
                        dim3 block, std::size_t dynamic_shared_bytes, Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "kernel parameters are copied to the device byte by byte");
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  const Call call{kernel, std::tuple<Parameters...>(std::forward<Arguments>(arguments)...)};
  const auto pointers = std::apply(
      [](const auto&... values) {
        return std::array<const void*, sizeof...(Parameters) + 1>{pointer_argument(values)...};
      },
      call.arguments);
  run_grid({reinterpret_cast<const void*>(kernel), at.site, grid, block, dynamic_shared_bytes,
            [](const void* c) {
              const Call& made = *static_cast<const Call*>(c);
              std::apply(made.kernel, made.arguments);
            },
            &call,
            [](const void* c) -> std::shared_ptr<const void> {
              return std::make_shared<const Call>(*static_cast<const Call*>(c));
            },
            pointers.data(), sizeof...(Parameters)});
}

}  // namespace duet::simt
