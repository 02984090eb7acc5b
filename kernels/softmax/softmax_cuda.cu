#include "kernels/simt/simt.h"
#include "kernels/softmax/softmax.h"

namespace duet {
namespace {

// A warp takes a row, its lanes the classes.
constexpr int block_threads = 256, rows_per_block = block_threads / 32;

template <class T>
__global__ void __launch_bounds__(block_threads) forward(SoftmaxParams p, const T* x, T* y) {
  const std::int64_t n = blockIdx.x * std::int64_t{rows_per_block} + threadIdx.x / 32;
  if (n >= p.rows) return;
  const T* in = x + n * p.classes;
  const int lane = threadIdx.x % 32;
  Wide<T> maximum = -INFINITY;
  for (std::int64_t c = lane; c < p.classes; c += 32) maximum = max(maximum, widen(in[c]));
  maximum = simt::warp_max(maximum);
  double sum = 0;
  for (std::int64_t c = lane; c < p.classes; c += 32) sum += std::exp(widen(in[c]) - maximum);
  sum = simt::warp_sum(sum);
  for (std::int64_t c = lane; c < p.classes; c += 32)
    y[n * p.classes + c] = T(static_cast<Wide<T>>(std::exp(widen(in[c]) - maximum) / sum));
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    backward(SoftmaxParams p, const T* y, const T* grad_y, T* grad_x) {
  const std::int64_t n = blockIdx.x * std::int64_t{rows_per_block} + threadIdx.x / 32;
  if (n >= p.rows) return;
  const T *out = y + n * p.classes, *g = grad_y + n * p.classes;
  const int lane = threadIdx.x % 32;
  double dot = 0;
  for (std::int64_t c = lane; c < p.classes; c += 32)
    dot += static_cast<double>(widen(g[c])) * widen(out[c]);
  dot = simt::warp_sum(dot);
  for (std::int64_t c = lane; c < p.classes; c += 32)
    grad_x[n * p.classes + c] = T(static_cast<Wide<T>>(widen(out[c]) * (widen(g[c]) - dot)));
}

}  // namespace

extern const SoftmaxRow softmax_cuda = {
    {SIMT_ROW("warp_per_row"), RowKind::handwritten, simt::device_type},
    [](const SoftmaxParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const SoftmaxParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, forward<T>, simt::blocks_for(p.rows, rows_per_block),
                     block_threads, 0, p, x.as<T>(), y.as<T>());
      });
    },
    [](Exec& exec, const SoftmaxParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_real(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, backward<T>, simt::blocks_for(p.rows, rows_per_block),
                     block_threads, 0, p, y.as<T>(), grad_y.as<T>(), grad_x.as<T>());
      });
    },
};

}  // namespace duet
