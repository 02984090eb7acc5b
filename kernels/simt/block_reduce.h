#pragma once
/// One value of a whole block. Part of the dialect (simt.h).

namespace duet::simt {

/// What the commutative `combine` makes of the values of all threads of the block, of which there
/// are a multiple of 32 and all must call; each gets the result. The order is fixed: the same bits
/// every time.
template <class T, class Combine>
__device__ T block_reduce(T value, Combine combine) {
  SIMT_SHARED(parts, T[32]);
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, step));
  __syncthreads();  // the call before may still be reading the parts
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = parts[0];
  const int warps = static_cast<int>(blockDim.x / 32);
  for (int i = 1; i < warps; ++i) value = combine(value, parts[i]);
  return value;
}

template <class T>
__device__ T block_sum(T value) {
  return block_reduce(value, [](T a, T b) { return a + b; });
}

template <class T>
__device__ T block_max(T value) {
  return block_reduce(value, [](T a, T b) { return a > b ? a : b; });
}

}  // namespace duet::simt
