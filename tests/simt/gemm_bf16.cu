#include "tests/simt/kernels.h"

namespace duet::test {
namespace {

/// One warp a tile of 16 x 8, its fragments straight from global memory.
__global__ void __launch_bounds__(32)
    gemm_bf16_kernel(const simt::bf16* a, const simt::bf16* bt, float* c, int n, int k) {
  const int lane = threadIdx.x, g = lane / 4, q = lane % 4;
  const int row0 = blockIdx.y * 16, column0 = blockIdx.x * 8;
  const auto pair = [](const simt::bf16* p) {
    return simt::pack_bf16(static_cast<float>(p[0]), static_cast<float>(p[1]));
  };
  float sums[4] = {};
  for (int l = 0; l < k; l += 16) {
    const simt::bf16* top = a + static_cast<std::size_t>(row0 + g) * k + l + 2 * q;
    const simt::bf16* bottom = top + 8 * k;
    const simt::bf16* right = bt + static_cast<std::size_t>(column0 + g) * k + l + 2 * q;
    const unsigned fa[4] = {pair(top), pair(bottom), pair(top + 8), pair(bottom + 8)};
    const unsigned fb[2] = {pair(right), pair(right + 8)};
    simt::mma_m16n8k16_bf16(sums, fa, fb);
  }
  float* out = c + static_cast<std::size_t>(row0 + g) * n + column0 + 2 * q;
  out[0] = sums[0];
  out[1] = sums[1];
  out[8 * n] = sums[2];
  out[8 * n + 1] = sums[3];
}

}  // namespace

void gemm_bf16(const Stream& stream, const simt::bf16* a, const simt::bf16* bt, float* c, int m,
               int n, int k) {
  simt::launch(stream, gemm_bf16_kernel, dim3(n / 8, m / 16), 32, 0, a, bt, c, n, k);
}

}  // namespace duet::test
