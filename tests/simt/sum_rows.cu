#include "tests/simt/kernels.h"

namespace duet::test {
namespace {

/// The sum over the block; every thread gets it.
template <Fault fault>
__device__ float block_sum(float value) {
  SIMT_SHARED(parts, float[32]);
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  if constexpr (fault != Fault::no_trailing_barrier)
    __syncthreads();  // the call before may still be reading the parts
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  if constexpr (fault != Fault::no_barrier) __syncthreads();
  value = threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : 0.0f;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

template <Fault fault>
__global__ void __launch_bounds__(sum_threads)
    sum_rows_kernel(const float* x, float* sums, float* residues, int columns) {
  const float* row = x + static_cast<std::size_t>(blockIdx.x) * columns;
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += row[i];
  sum = block_sum<fault>(sum);
  float residue = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) residue += row[i] - sum / columns;
  residue = block_sum<fault>(residue);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = sum;
    residues[blockIdx.x] = residue;
  }
}

}  // namespace

template <Fault fault>
void sum_rows(const Stream& stream, const float* x, float* sums, float* residues, int rows,
              int columns) {
  simt::launch(stream, sum_rows_kernel<fault>, rows, sum_threads, 0, x, sums, residues, columns);
}
template void sum_rows<Fault::none>(const Stream&, const float*, float*, float*, int, int);
template void sum_rows<Fault::no_barrier>(const Stream&, const float*, float*, float*, int, int);
template void sum_rows<Fault::no_trailing_barrier>(const Stream&, const float*, float*, float*, int,
                                                   int);

}  // namespace duet::test
