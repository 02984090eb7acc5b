#include "tests/simt/kernels.h"

namespace duet::test {
namespace {

constexpr int tile = 32, depth = 8, threads = 64, pitch = tile + 4;
constexpr int stage_floats = 2 * depth * pitch;

/// A block computes 32 x 32 of c, a thread 4 x 4. The tiles of a (transposed) and b stand in
/// dynamic shared memory, in two stages: one is read while the other is filled.
template <Fault fault>
__global__ void __launch_bounds__(threads)
    sgemm_kernel(const float* a, const float* b, float* c, int n, int k) {
  SIMT_DYNAMIC_SHARED(float, scratch);
  const int t = threadIdx.x, row0 = blockIdx.y * tile, column0 = blockIdx.x * tile;
  const int row = t / 8 * 4, column = t % 8 * 4;
  const auto a_tile = [&](int stage, int l) { return scratch + stage * stage_floats + l * pitch; };
  const auto b_tile = [&](int stage, int l) { return a_tile(stage, l) + depth * pitch; };
  const auto load = [&](int stage, int l0) {
    const int r = t / 2, l = t % 2 * 4;
    const float4 va =
        *reinterpret_cast<const float4*>(a + static_cast<std::size_t>(row0 + r) * k + l0 + l);
    a_tile(stage, l)[r] = va.x;
    a_tile(stage, l + 1)[r] = va.y;
    a_tile(stage, l + 2)[r] = va.z;
    a_tile(stage, l + 3)[r] = va.w;
    *reinterpret_cast<float4*>(b_tile(stage, t / 8) + column) = *reinterpret_cast<const float4*>(
        b + static_cast<std::size_t>(l0 + t / 8) * n + column0 + column);
  };

  float sums[4][4] = {};
  load(0, 0);
  if constexpr (fault != Fault::no_barrier) __syncthreads();
  for (int l0 = 0, stage = 0; l0 < k; l0 += depth, stage ^= 1) {
    if (l0 + depth < k) load(stage ^ 1, l0 + depth);
#pragma unroll
    for (int l = 0; l < depth; ++l) {
      const float4 va = *reinterpret_cast<const float4*>(a_tile(stage, l) + row);
      const float4 vb = *reinterpret_cast<const float4*>(b_tile(stage, l) + column);
      const float x[4] = {va.x, va.y, va.z, va.w}, y[4] = {vb.x, vb.y, vb.z, vb.w};
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] += x[i] * y[j];
    }
    // What was filled can be read, and what was read can be filled.
    if constexpr (fault != Fault::no_trailing_barrier) __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
    *reinterpret_cast<float4*>(c + static_cast<std::size_t>(row0 + row + i) * n + column0 +
                               column) =
        make_float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
}

}  // namespace

template <Fault fault>
void sgemm(const Stream& stream, const float* a, const float* b, float* c, int m, int n, int k) {
  simt::launch(stream, sgemm_kernel<fault>, dim3(n / tile, m / tile), threads,
               2 * stage_floats * sizeof(float), a, b, c, n, k);
}
template void sgemm<Fault::none>(const Stream&, const float*, const float*, float*, int, int, int);
template void sgemm<Fault::no_barrier>(const Stream&, const float*, const float*, float*, int, int,
                                       int);
template void sgemm<Fault::no_trailing_barrier>(const Stream&, const float*, const float*, float*,
                                                int, int, int);

}  // namespace duet::test
