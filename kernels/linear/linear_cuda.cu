// The three products of a linear layer. Large batches go through tiles of 64 or 128 rows
// (kernels/gemm/block_gemm.h). Small ones leave the weights, which are read once whatever the
// batch, as the cost: up to 32 rows have a tile of that height, whose blocks share out the weights
// (and the depth); up to 8, at inference, have a kernel in which a block streams a few rows of the
// weights past all of x.

#include "kernels/gemm/block_gemm.h"
#include "kernels/linear/linear.h"

namespace duet {
namespace {

using block_gemm::load_pack;
using block_gemm::MatrixByDepth;
using block_gemm::MatrixByRows;
using block_gemm::Pack;
using block_gemm::takes_full_packs;

constexpr int stream_threads = 128, stream_warps = stream_threads / 32;
/// Outputs, that is rows of the weights, of a block: x is read once for all of them.
constexpr int stream_outputs = 4;

/// y for n ≤ `rows`. The threads of a block share out the depth; their sums are added as a tree.
template <class T, int rows, int width>
__global__ void __launch_bounds__(stream_threads)
    stream_weights(const T* x, const T* weight, const T* bias, T* y, int n, int in_features,
                   int out_features) {
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
    for (int o = 0; o < stream_outputs; ++o) weights[o] = load_pack<T, width>(w[o] + k, true);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
      const Pack<T, width> in =
          load_pack<T, width>(x + static_cast<std::int64_t>(r) * in_features + k, r < n);
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
  T sum = bias ? bias[output] : T(0);
#pragma unroll
  for (int warp = 0; warp < stream_warps; ++warp) sum += parts[warp][thread];
  y[static_cast<std::int64_t>(row) * out_features + output] = sum;
}

/// The tile for at most 32 rows.
template <class T>
using LowTiling = block_gemm::Tiling<T, 32, 128, 16, 1, 4>;

template <class T, class A, class B>
void product(Exec& exec, const A& a, const B& b, const T* bias, T* c, int rows, int columns,
             int depth) {
  if (rows <= LowTiling<T>::rows)
    block_gemm::multiply_tiled<LowTiling<T>>(exec, a, b, bias, c, rows, columns, depth);
  else
    block_gemm::multiply<T>(exec, a, b, bias, c, rows, columns, depth);
}

struct Sizes {
  int n, in, out;
  explicit Sizes(const LinearParams& p)
      : n(static_cast<int>(p.n)),
        in(static_cast<int>(p.in_features)),
        out(static_cast<int>(p.out_features)) {}
};

template <class T>
void forward(Exec& exec, const LinearParams& p, const T* x, const T* weight, const T* bias, T* y) {
  const Sizes s(p);
  const bool full = takes_full_packs(x, s.in) && takes_full_packs(weight, s.in);
  block_gemm::with_width<T>(full, [&](auto width) {
    const auto stream = [&](auto kernel) {
      const auto blocks = static_cast<unsigned>(block_gemm::divide_up(s.out, stream_outputs));
      simt::launch(exec.stream, kernel, blocks, stream_threads, 0, x, weight, bias, y, s.n, s.in,
                   s.out);
    };
    if (s.n == 0 || s.out == 0) return;
    if (s.n == 1)
      stream(stream_weights<T, 1, width>);
    else if (s.n <= 8)
      stream(stream_weights<T, 8, width>);
    else
      product<T>(exec, MatrixByRows<T, width>{x, s.n, s.in},
                 MatrixByRows<T, width>{weight, s.out, s.in}, bias, y, s.n, s.out, s.in);
  });
}

template <class T>
void backward_data(Exec& exec, const LinearParams& p, const T* grad_y, const T* weight, T* grad_x) {
  const Sizes s(p);
  const bool full = takes_full_packs(grad_y, s.out) && takes_full_packs(weight, s.in);
  block_gemm::with_width<T>(full, [&](auto width) {
    product<T>(exec, MatrixByRows<T, width>{grad_y, s.n, s.out},
               MatrixByDepth<T, width>{weight, s.in, s.out}, nullptr, grad_x, s.n, s.in, s.out);
  });
}

template <class T>
void backward_weights(Exec& exec, const LinearParams& p, const T* x, const T* grad_y,
                      T* grad_weight) {
  const Sizes s(p);
  const bool full = takes_full_packs(x, s.in) && takes_full_packs(grad_y, s.out);
  block_gemm::with_width<T>(full, [&](auto width) {
    product<T>(exec, MatrixByDepth<T, width>{grad_y, s.out, s.n},
               MatrixByDepth<T, width>{x, s.in, s.n}, nullptr, grad_weight, s.out, s.in, s.n);
  });
}

Support supports(const LinearParams& p, DType dtype) {
  if (const Support floating = any_floating(dtype); !floating) return floating;
  if (std::max({p.n, p.in_features, p.out_features}) >= std::int64_t{1} << 30)
    return Support::no("takes fewer than 2^30 rows and features");
  return Support::yes();
}

}  // namespace

extern const LinearRow linear_cuda = {
    {SIMT_ROW("tiled"), RowKind::handwritten, simt::device_type},
    supports,
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), weight.as<T>(), bias.as<T>(), y.as<T>());
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(exec, p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(exec, p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
