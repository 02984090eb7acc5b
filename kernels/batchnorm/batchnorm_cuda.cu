#include "kernels/batchnorm/batchnorm_cuda.h"

namespace duet {
namespace {

using namespace batchnorm_parts;

template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    normalise(int rows_per_thread, BatchNormParams p, const T* x, const Wide<T>* weight,
              const Wide<T>* bias, const Wide<T>* mean, const Wide<T>* var, T* y) {
  const int channels = static_cast<int>(p.channels);
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= channels) return;
  const auto center = simt::load<width>(mean + channel), offset = simt::load<width>(bias + channel),
             inv_std = inverse_deviation<width>(p, var + channel);
  auto scale = simt::load<width>(weight + channel);
#pragma unroll
  for (int v = 0; v < width; ++v) scale.at[v] *= inv_std.at[v];
  for_own_rows(rows_per_thread, p.rows, [&](std::int64_t row) {
    auto value = simt::load<width>(x + row * channels + channel);
#pragma unroll
    for (int v = 0; v < width; ++v)
      value.at[v] = (value.at[v] - center.at[v]) * scale.at[v] + offset.at[v];
    simt::store<width>(y + row * channels + channel, value);
  });
}

/// Σ g and Σ g·(x − mean).
template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    backward_sums(int rows_per_thread, std::int64_t rows, int channels, const T* x, const T* grad_y,
                  const Wide<T>* mean, double* partial) {
  using W = Wide<T>;
  sum_columns<W, width>(rows_per_thread, rows, channels, partial,
                        [=](std::int64_t row, int channel, W* sum, W* dot) {
                          const auto value = simt::load<width>(x + row * channels + channel);
                          const auto g = simt::load<width>(grad_y + row * channels + channel);
                          const auto center = simt::load<width>(mean + channel);
#pragma unroll
                          for (int v = 0; v < width; ++v) {
                            sum[v] += g.at[v];
                            dot[v] += g.at[v] * (value.at[v] - center.at[v]);
                          }
                        });
}

template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    input_gradient(int rows_per_thread, BatchNormParams p, const T* x, const T* grad_y,
                   const Wide<T>* weight, const Wide<T>* mean, const Wide<T>* var,
                   const Wide<T>* grad_weight, const Wide<T>* grad_bias, T* grad_x) {
  const int channels = static_cast<int>(p.channels);
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= channels) return;
  const InputGradient<Wide<T>, width> gradient(
      p, channel, weight, mean, inverse_deviation<width>(p, var + channel), grad_weight, grad_bias);
  for_own_rows(rows_per_thread, p.rows, [&](std::int64_t row) {
    const std::int64_t at = row * channels + channel;
    const auto value = simt::load<width>(x + at);
    auto g = simt::load<width>(grad_y + at);
#pragma unroll
    for (int v = 0; v < width; ++v) g.at[v] = gradient(v, g.at[v], value.at[v]);
    simt::store<width>(grad_x + at, g);
  });
}

template <class T>
void forward(Exec& exec, const BatchNormParams& p, const T* x, const Wide<T>* weight,
             const Wide<T>* bias, Wide<T>* mean, Wide<T>* var, Wide<T>* running_mean,
             Wide<T>* running_var, T* y) {
  simt::with_row_packets(
      p.channels,
      [&](auto packet_width) {
        constexpr int width = packet_width;
        if (p.training)
          batch_statistics<T, width>(exec, p, x, mean, var, running_mean, running_var);
        const Layout layout(p.rows, p.channels, width);
        simt::launch(exec.stream, normalise<T, width>, layout.grid, layout.block, 0,
                     layout.rows_per_thread, p, x, weight, bias, mean, var, y);
      },
      x, weight, bias, mean, var, y);
}

template <class T>
void backward(Exec& exec, const BatchNormParams& p, const T* x, const T* grad_y,
              const Wide<T>* weight, const Wide<T>* mean, const Wide<T>* var, T* grad_x,
              Wide<T>* grad_weight, Wide<T>* grad_bias) {
  simt::with_row_packets(
      p.channels,
      [&](auto packet_width) {
        constexpr int width = packet_width;
        const Layout layout(p.rows, p.channels, width);
        double* partial = layout.allocate_partial(exec, p.channels);
        simt::launch(exec.stream, backward_sums<T, width>, layout.grid, layout.block, 0,
                     layout.rows_per_thread, p.rows, static_cast<int>(p.channels), x, grad_y, mean,
                     partial);
        simt::launch(exec.stream, parameter_gradients<Wide<T>>, layout.merge_grid,
                     dim3(merge_x, merge_y), 0, p, layout.chunks(), partial, var, grad_weight,
                     grad_bias);
        simt::launch(exec.stream, input_gradient<T, width>, layout.grid, layout.block, 0,
                     layout.rows_per_thread, p, x, grad_y, weight, mean, var, grad_weight,
                     grad_bias, grad_x);
      },
      x, grad_y, weight, mean, var, grad_x, grad_weight, grad_bias);
}

}  // namespace

extern const BatchNormRow batchnorm_cuda = {
    {SIMT_ROW("columns"), RowKind::handwritten, simt::device_type},
    [](const BatchNormParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        using W = Wide<T>;
        forward<T>(exec, p, x.as<T>(), weight.as<W>(), bias.as<W>(), mean.as<W>(), var.as<W>(),
                   running_mean.as<W>(), running_var.as<W>(), y.as<T>());
      });
    },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        using W = Wide<T>;
        backward<T>(exec, p, x.as<T>(), grad_y.as<T>(), weight.as<W>(), mean.as<W>(), var.as<W>(),
                    grad_x.as<T>(), grad_weight.as<W>(), grad_bias.as<W>());
      });
    },
};

}  // namespace duet
