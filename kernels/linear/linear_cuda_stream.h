#pragma once
/// Forward of a linear layer for the few rows of an answer. The weights are read once whatever the
/// batch, and that is the cost: a block streams a few of their rows past all of x. Elements are
/// computed with as `Wide<T>`, so f32 is not rounded to TF32 here though a call permits it.

#include "kernels/gemm/slices.h"
#include "kernels/linear/linear.h"
#include "kernels/simt/simt.h"

namespace duet::linear_stream {

using device_gemm::Epilogue;

/// As many rows of x as pay.
constexpr int most_rows = 8;

constexpr int block_threads = 128, block_warps = block_threads / 32;
/// Outputs, that is rows of the weights, of a block: x is read once for all of them.
constexpr int block_outputs = 4;

/// y for n ≤ `rows`. The threads of a block share out the depth; their sums are added as a tree.
template <class T, int rows, int width>
__global__ void __launch_bounds__(block_threads)
    stream_weights(const T* x, const T* weight, const Epilogue<T> epilogue, T* y, int n,
                   int in_features, int out_features) {
  const int thread = static_cast<int>(threadIdx.x);
  const int first_output = static_cast<int>(blockIdx.x) * block_outputs;
  const T* w[block_outputs];
#pragma unroll
  for (int o = 0; o < block_outputs; ++o)
    w[o] =
        weight + static_cast<std::int64_t>(min(first_output + o, out_features - 1)) * in_features;

  Wide<T> sums[rows][block_outputs] = {};
  for (int k = thread * width; k < in_features; k += block_threads * width) {
    simt::Packet<Wide<T>, width> weights[block_outputs];
#pragma unroll
    for (int o = 0; o < block_outputs; ++o) weights[o] = simt::load<width>(w[o] + k);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      if (r >= n) break;
      const auto in = simt::load<width>(x + static_cast<std::int64_t>(r) * in_features + k);
#pragma unroll
      for (int o = 0; o < block_outputs; ++o)
#pragma unroll
        for (int j = 0; j < width; ++j) sums[r][o] += in.at[j] * weights[o].at[j];
    }
  }

  SIMT_SHARED(parts, Wide<T>[block_warps][rows * block_outputs]);
#pragma unroll
  for (int r = 0; r < rows; ++r)
#pragma unroll
    for (int o = 0; o < block_outputs; ++o) {
      const Wide<T> sum = simt::warp_sum(sums[r][o]);
      if (thread % 32 == 0) parts[thread / 32][r * block_outputs + o] = sum;
    }
  __syncthreads();
  const int row = thread / block_outputs, output = first_output + thread % block_outputs;
  if (thread >= rows * block_outputs || row >= n || output >= out_features) return;
  Wide<T> sum = 0;
#pragma unroll
  for (int warp = 0; warp < block_warps; ++warp) sum += parts[warp][thread];
  y[static_cast<std::int64_t>(row) * out_features + output] = static_cast<T>(epilogue(sum, output));
}

/// y (n, out) = epilogue(x Wᵀ) with 1 ≤ n ≤ `most_rows`.
template <class T>
void forward(Exec& exec, const LinearParams& p, const T* x, const T* weight,
             const Epilogue<T>& epilogue, T* y) {
  simt::with_row_packets(
      p.in_features,
      [&](auto width) {
        simt::launch(exec.stream,
                     p.n == 1 ? stream_weights<T, 1, width> : stream_weights<T, most_rows, width>,
                     simt::blocks_for(p.out_features, block_outputs), block_threads, 0, x, weight,
                     epilogue, y, static_cast<int>(p.n), static_cast<int>(p.in_features),
                     static_cast<int>(p.out_features));
      },
      x, weight);
}

}  // namespace duet::linear_stream
