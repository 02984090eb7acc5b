#pragma once
/// Reductions over the 32 lanes of a warp, all of which must come: the same tree each time, so the
/// same bits. Every lane gets the result.

#include "kernels/simt/simt.h"

namespace duet::simt {

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

/// NaN loses against every number.
template <class T>
__device__ __forceinline__ T warp_max(T value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    value = max(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

}  // namespace duet::simt
