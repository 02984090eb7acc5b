#pragma once
/// One value of a whole warp or block. The order is fixed: the same bits every time. Part of the
/// dialect (simt.h).

namespace duet::simt {

/// What the commutative `combine` makes of the values of the 32 lanes of a warp, all of which must
/// call; each gets the result.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

/// The same of all threads of the block, of which there are a multiple of 32 and all must call.
template <class T, class Combine>
__device__ T block_reduce(T value, Combine combine) {
  SIMT_SHARED(parts, T[32]);
  value = warp_reduce(value, combine);
  __syncthreads();  // the call before may still be reading the parts
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = parts[0];
  const int warps = static_cast<int>(blockDim.x / 32);
  for (int i = 1; i < warps; ++i) value = combine(value, parts[i]);
  return value;
}

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
/// NaN loses against every number.
struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return max(a, b);
  }
};

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
  return warp_reduce(value, Sum());
}
template <class T>
__device__ __forceinline__ T warp_max(T value) {
  return warp_reduce(value, Max());
}
template <class T>
__device__ T block_sum(T value) {
  return block_reduce(value, Sum());
}
template <class T>
__device__ T block_max(T value) {
  return block_reduce(value, Max());
}

}  // namespace duet::simt
