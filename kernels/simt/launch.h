#pragma once
/// A launch, whichever compiler makes the kernel. Part of the dialect (simt.h).

#include <cstddef>
#include <utility>

#include "kernels/base/exec.h"
#include "kernels/simt/site.h"
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#else
#include "kernels/simt/vector_types.h"
#endif

namespace duet::simt {

/// The stream of a launch, and where in the source it stands.
struct LaunchStream {
  LaunchStream(const Stream& s, Site at = Site::here()) : stream(s), site(at) {}
  Stream stream;
  Site site;
};

/// Launches `grid` blocks of `block` threads; where the grid is empty there is nothing to do.
/// Throws Error, which names the kernel and the place of the launch. Emulated, the work is done on
/// return, and its errors name the block, the seed and the lines at fault; on a GPU it is queued,
/// and what goes wrong while the kernel runs is found by a later call.
// Static, so that two kernel files do not share an instance: where they do, some linkers leave
// ThreadSanitizer's reports without the lines of one of them.
template <class... Parameters, class... Arguments>
static void launch(LaunchStream at, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t dynamic_shared_bytes, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments),
                "a launch gives as many arguments as the kernel takes");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  launch_grid(at, kernel, grid, block, dynamic_shared_bytes, std::forward<Arguments>(arguments)...);
}

}  // namespace duet::simt
