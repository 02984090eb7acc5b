#include "tests/simt/traffic/patterns.h"

#include "kernels/simt/simt.h"

namespace duet::test {
namespace {

template <Pattern pattern>
__global__ void device_kernel(const float* x, float* y) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if constexpr (pattern == Pattern::neighbours) y[t] = x[t];
  if constexpr (pattern == Pattern::stride_two) y[t] = x[2 * t];
  if constexpr (pattern == Pattern::shifted) y[t] = x[t + 1];
  if constexpr (pattern == Pattern::one_place) y[t] = x[0];
  if constexpr (pattern == Pattern::packets) simt::store<4>(y + 4 * t, simt::load<4>(x + 4 * t));
  if constexpr (pattern == Pattern::scalars)
    for (int k = 0; k < 4; ++k) y[4 * t + k] = x[4 * t + k];
  if constexpr (pattern == Pattern::loops) {
    float sum = 0;
    for (int k = 0; k <= t % 4; ++k) sum += x[32 * k + t];
    y[t] = sum;
  }
  if constexpr (pattern == Pattern::twice) {
    const float first = x[t];
    __syncthreads();
    y[t] = first + x[t];
  }
  if constexpr (pattern == Pattern::atomics) atomicAdd(y, 1.0f);
}

/// A thread's sum of what it reads goes to y, so that nothing is left out.
template <SharedPattern pattern>
__global__ void shared_kernel(const float* x, float* y) {
  const int t = static_cast<int>(threadIdx.x), lane = t % 32;
  SIMT_SHARED(tile, float[32 * 33]);
  for (int i = t; i < 32 * 33; i += pattern_threads) tile[i] = 1.0f;
  __syncthreads();
  float sum = 0;
  if constexpr (pattern == SharedPattern::column) sum = tile[32 * lane];
  if constexpr (pattern == SharedPattern::padded_column) sum = tile[33 * lane];
  if constexpr (pattern == SharedPattern::pairs) {
    const auto pair = simt::load<2>(tile + 2 * t);
    sum = pair.at[0] + pair.at[1];
  }
  if constexpr (pattern == SharedPattern::packets || pattern == SharedPattern::far_packets) {
    const auto four = simt::load<4>(tile + (pattern == SharedPattern::packets ? 4 : 8) * t);
    sum = four.at[0] + four.at[3];
  }
  if constexpr (pattern == SharedPattern::rows_of_32 || pattern == SharedPattern::rows_of_48) {
    unsigned registers[4];
    simt::ldmatrix_x4(registers, tile + (pattern == SharedPattern::rows_of_32 ? 8 : 12) * lane);
    sum = __uint_as_float(registers[0]);
  }
  if constexpr (pattern == SharedPattern::copies) {
    simt::cp_async16(tile + 4 * t, x + 4 * t);
    simt::cp_async_commit();
    simt::cp_async_wait<0>();
    sum = tile[4 * t];
  }
  y[blockIdx.x * pattern_threads + t] = sum;
}

struct Launch {
  const Stream& stream;
  const float* x;
  float* y;

  void operator()(void (*kernel)(const float*, float*)) const {
    simt::launch(stream, kernel, pattern_blocks, pattern_threads, 0, x, y);
  }
};

}  // namespace

void run(Pattern pattern, const Stream& stream, const float* x, float* y) {
  const Launch launch{stream, x, y};
  switch (pattern) {
    case Pattern::neighbours: return launch(device_kernel<Pattern::neighbours>);
    case Pattern::stride_two: return launch(device_kernel<Pattern::stride_two>);
    case Pattern::shifted: return launch(device_kernel<Pattern::shifted>);
    case Pattern::one_place: return launch(device_kernel<Pattern::one_place>);
    case Pattern::packets: return launch(device_kernel<Pattern::packets>);
    case Pattern::scalars: return launch(device_kernel<Pattern::scalars>);
    case Pattern::loops: return launch(device_kernel<Pattern::loops>);
    case Pattern::twice: return launch(device_kernel<Pattern::twice>);
    case Pattern::atomics: return launch(device_kernel<Pattern::atomics>);
  }
}

void run(SharedPattern pattern, const Stream& stream, const float* x, float* y) {
  const Launch launch{stream, x, y};
  switch (pattern) {
    case SharedPattern::column: return launch(shared_kernel<SharedPattern::column>);
    case SharedPattern::padded_column: return launch(shared_kernel<SharedPattern::padded_column>);
    case SharedPattern::pairs: return launch(shared_kernel<SharedPattern::pairs>);
    case SharedPattern::packets: return launch(shared_kernel<SharedPattern::packets>);
    case SharedPattern::far_packets: return launch(shared_kernel<SharedPattern::far_packets>);
    case SharedPattern::rows_of_32: return launch(shared_kernel<SharedPattern::rows_of_32>);
    case SharedPattern::rows_of_48: return launch(shared_kernel<SharedPattern::rows_of_48>);
    case SharedPattern::copies: return launch(shared_kernel<SharedPattern::copies>);
  }
}

}  // namespace duet::test
