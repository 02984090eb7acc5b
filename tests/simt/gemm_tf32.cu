#include "tests/simt/kernels.h"

namespace duet::test {
namespace {

constexpr int tile = 32, depth = 16, threads = 128;
constexpr int a_pitch = depth + 4, b_pitch = tile + 8;

/// A block computes 32 x 32 of c, each of its four warps 16 x 16; two stages by cp.async.
template <Fault fault>
__global__ void __launch_bounds__(threads)
    gemm_tf32_kernel(const float* a, const float* b, float* c, int n, int k) {
  SIMT_SHARED(a_tile, float[2][tile][a_pitch]);
  SIMT_SHARED(b_tile, float[2][depth][b_pitch]);
  const int t = threadIdx.x, warp = t / 32, lane = t % 32, g = lane / 4, q = lane % 4;
  const int row0 = blockIdx.y * tile, column0 = blockIdx.x * tile;
  const int row = warp / 2 * 16, column = warp % 2 * 16;
  const auto load = [&](int stage, int l0) {
    simt::cp_async16(&a_tile[stage][t / 4][t % 4 * 4],
                     a + static_cast<std::size_t>(row0 + t / 4) * k + l0 + t % 4 * 4);
    simt::cp_async16(&b_tile[stage][t / 8][t % 8 * 4],
                     b + static_cast<std::size_t>(l0 + t / 8) * n + column0 + t % 8 * 4);
  };

  float sums[2][4] = {};
  load(0, 0);
  simt::cp_async_commit();
  for (int l0 = 0, stage = 0; l0 < k; l0 += depth, stage ^= 1) {
    if (l0 + depth < k) load(stage ^ 1, l0 + depth);
    simt::cp_async_commit();  // an empty group in the last round, so that the count is the same
    if constexpr (fault != Fault::no_wait) simt::cp_async_wait<1>();
    if constexpr (fault != Fault::no_barrier) __syncthreads();
    for (int l = 0; l < depth; l += 8) {
      const auto a_at = [&](int r, int s) { return simt::to_tf32(a_tile[stage][row + r][l + s]); };
      const unsigned fa[4] = {a_at(g, q), a_at(g + 8, q), a_at(g, q + 4), a_at(g + 8, q + 4)};
      for (int j = 0; j < 2; ++j) {
        const unsigned fb[2] = {simt::to_tf32(b_tile[stage][l + q][column + 8 * j + g]),
                                simt::to_tf32(b_tile[stage][l + q + 4][column + 8 * j + g])};
        simt::mma_m16n8k8_tf32(sums[j], fa, fb);
      }
    }
    if constexpr (fault != Fault::no_trailing_barrier) __syncthreads();
  }
  for (int j = 0; j < 2; ++j) {
    float* out =
        c + static_cast<std::size_t>(row0 + row + g) * n + column0 + column + 8 * j + 2 * q;
    *reinterpret_cast<float2*>(out) = make_float2(sums[j][0], sums[j][1]);
    *reinterpret_cast<float2*>(out + 8 * n) = make_float2(sums[j][2], sums[j][3]);
  }
}

}  // namespace

template <Fault fault>
void gemm_tf32(const Stream& stream, const float* a, const float* b, float* c, int m, int n,
               int k) {
  simt::launch(stream, gemm_tf32_kernel<fault>, dim3(n / tile, m / tile), threads, 0, a, b, c, n,
               k);
}
template void gemm_tf32<Fault::none>(const Stream&, const float*, const float*, float*, int, int,
                                     int);
template void gemm_tf32<Fault::no_wait>(const Stream&, const float*, const float*, float*, int, int,
                                        int);
template void gemm_tf32<Fault::no_barrier>(const Stream&, const float*, const float*, float*, int,
                                           int, int);
template void gemm_tf32<Fault::no_trailing_barrier>(const Stream&, const float*, const float*,
                                                    float*, int, int, int);

}  // namespace duet::test
