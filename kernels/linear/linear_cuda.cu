// The three products of a linear layer. Large batches go through tiles of 64 or 128 rows
// (kernels/gemm/block_gemm.h). Small ones leave the weights, which are read once whatever the
// batch, as the cost: up to 32 rows have a tile of that height, whose blocks share out the weights
// (and the depth); up to 8, at inference, have a kernel in which a block streams a few rows of the
// weights past all of x.

#include "kernels/gemm/block_gemm.h"
#include "kernels/linear/linear_cuda_operands.h"

namespace duet {
namespace {

using block_gemm::Epilogue;
using block_gemm::load_pack;
using block_gemm::Pack;

constexpr int stream_threads = 128, stream_warps = stream_threads / 32;
/// Outputs, that is rows of the weights, of a block: x is read once for all of them.
constexpr int stream_outputs = 4;

/// y for n ≤ `rows`. The threads of a block share out the depth; their sums are added as a tree.
template <class T, int rows, int width>
__global__ void __launch_bounds__(stream_threads)
    stream_weights(const T* x, const T* weight, const Epilogue<T> epilogue, T* y, int n,
                   int in_features, int out_features) {
  const int thread = static_cast<int>(threadIdx.x);
  const int first_output = static_cast<int>(blockIdx.x) * stream_outputs;
  const T* w[stream_outputs];
#pragma unroll
  for (int o = 0; o < stream_outputs; ++o)
    w[o] =
        weight + static_cast<std::int64_t>(min(first_output + o, out_features - 1)) * in_features;

  T sums[rows][stream_outputs] = {};
  for (int k = thread * width; k < in_features; k += stream_threads * width) {
    Pack<T, width> weights[stream_outputs];
#pragma unroll
    for (int o = 0; o < stream_outputs; ++o) weights[o] = load_pack<width>(w[o] + k);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const Pack<T, width> in =
          load_pack<width>(r < n ? x + static_cast<std::int64_t>(r) * in_features + k : nullptr);
#pragma unroll
      for (int o = 0; o < stream_outputs; ++o)
#pragma unroll
        for (int j = 0; j < width; ++j) sums[r][o] += in.v[j] * weights[o].v[j];
    }
  }

  SIMT_SHARED(parts, T[stream_warps][rows * stream_outputs]);
#pragma unroll
  for (int r = 0; r < rows; ++r)
#pragma unroll
    for (int o = 0; o < stream_outputs; ++o) {
      T sum = sums[r][o];
#pragma unroll
      for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
      if (thread % 32 == 0) parts[thread / 32][r * stream_outputs + o] = sum;
    }
  __syncthreads();
  const int row = thread / stream_outputs, output = first_output + thread % stream_outputs;
  if (thread >= rows * stream_outputs || row >= n || output >= out_features) return;
  T sum = 0;
#pragma unroll
  for (int warp = 0; warp < stream_warps; ++warp) sum += parts[warp][thread];
  y[static_cast<std::int64_t>(row) * out_features + output] = epilogue(sum, output);
}

/// The tile for at most 32 rows.
template <class T>
using LowTiling = block_gemm::Tiling<T, 32, 128, 16, 1, 4>;

template <class T>
auto multiply(Exec& exec, Epilogue<T> epilogue = {}) {
  return [&exec, epilogue](const auto& a, const auto& b, T* c, int rows, int columns, int depth) {
    if (rows <= LowTiling<T>::rows)
      block_gemm::multiply_tiled<LowTiling<T>>(exec, a, b, epilogue, c, rows, columns, depth);
    else
      block_gemm::multiply<T>(exec, a, b, epilogue, c, rows, columns, depth);
  };
}

/// Forward with at most 8 rows.
template <class T>
void stream(Exec& exec, const LinearParams& p, const T* x, const T* weight,
            const Epilogue<T>& epilogue, T* y) {
  const bool full = block_gemm::takes_full_packs(x, p.in_features) &&
                    block_gemm::takes_full_packs(weight, p.in_features);
  block_gemm::with_width<T>(full, [&](auto width) {
    simt::launch(exec.stream, p.n == 1 ? stream_weights<T, 1, width> : stream_weights<T, 8, width>,
                 static_cast<unsigned>(block_gemm::divide_up(p.out_features, stream_outputs)),
                 stream_threads, 0, x, weight, epilogue, y, static_cast<int>(p.n),
                 static_cast<int>(p.in_features), static_cast<int>(p.out_features));
  });
}

}  // namespace

extern const LinearRow linear_cuda = {
    {SIMT_ROW("tiled"), RowKind::handwritten, simt::device_type},
    [](const LinearParams& p, DType dtype) {
      const Support floating = any_floating(dtype);
      return floating ? fits_in_32_bits(p) : floating;
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Epilogue<T> epilogue{bias.as<T>(), p.relu};
        if (p.n > 8)
          linear_products::forward(p, x.as<T>(), weight.as<T>(), y.as<T>(),
                                   multiply<T>(exec, epilogue));
        else if (p.n > 0 && p.out_features > 0)
          stream<T>(exec, p, x.as<T>(), weight.as<T>(), epilogue, y.as<T>());
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_data(p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>(),
                                       multiply<T>(exec));
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_weights(p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>(),
                                          multiply<T>(exec));
      });
    },
};

}  // namespace duet
