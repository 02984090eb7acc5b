#include <algorithm>
#include <bit>

#include "kernels/batchnorm/batchnorm.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

// Threads lie across the channels (x), a packet each, and across the rows (y).
constexpr int block_threads = 256, rows_per_thread = 16;
// In the merge of the blocks' sums: one channel a thread.
constexpr int merge_x = 32, merge_y = 8;

/// Two sums over the rows for every channel. A thread adds `rows_per_thread` rows in T, `add_row`
/// each; from there on sums are doubles: those of a block in a tree, and block b's, of its chunk of
/// rows, go to partial[b] (2, C).
template <class T, int width, class AddRow>
__device__ void sum_columns(std::int64_t rows, int channels, double* partial, AddRow add_row) {
  SIMT_SHARED(parts, double[2 * width][block_threads]);
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  T first[width] = {}, second[width] = {};
  if (channel < channels) {
    std::int64_t row = blockIdx.x * std::int64_t{rows_per_thread} * blockDim.y + threadIdx.y;
    for (int k = 0; k < rows_per_thread && row < rows; ++k, row += blockDim.y)
      add_row(row * channels + channel, channel, first, second);
  }
  const int thread = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
  for (int v = 0; v < width; ++v) {
    parts[v][thread] = first[v];
    parts[width + v][thread] = second[v];
  }
  __syncthreads();
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    if (threadIdx.y < half)
#pragma unroll
      for (int i = 0; i < 2 * width; ++i) parts[i][thread] += parts[i][thread + half * blockDim.x];
    __syncthreads();
  }
  if (threadIdx.y == 0 && channel < channels) {
    double* sums = partial + std::int64_t{2} * blockIdx.x * channels + channel;
#pragma unroll
    for (int v = 0; v < width; ++v) {
      sums[v] = parts[v][thread];
      sums[channels + v] = parts[width + v][thread];
    }
  }
}

/// Adds the blocks' sums, always in the same order; one thread a channel gets both:
/// `finish(channel, first, second)`.
template <class Finish>
__device__ void merge(int chunks, int channels, const double* partial, Finish finish) {
  SIMT_SHARED(parts, double[2][merge_y][merge_x]);
  const int channel = blockIdx.x * merge_x + threadIdx.x;
  double first = 0, second = 0;
  if (channel < channels)
    for (int chunk = threadIdx.y; chunk < chunks; chunk += merge_y) {
      const double* sums = partial + std::int64_t{2} * chunk * channels + channel;
      first += sums[0];
      second += sums[channels];
    }
  parts[0][threadIdx.y][threadIdx.x] = first;
  parts[1][threadIdx.y][threadIdx.x] = second;
  __syncthreads();
  if (threadIdx.y > 0 || channel >= channels) return;
  for (int k = 1; k < merge_y; ++k) {
    first += parts[0][k][threadIdx.x];
    second += parts[1][k][threadIdx.x];
  }
  finish(channel, first, second);
}

// ---- Forward

/// Σ d and Σ d², where d = x − first row: so one pass loses no digits to a large mean.
template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    forward_sums(std::int64_t rows, int channels, const T* x, double* partial) {
  sum_columns<Wide<T>, width>(rows, channels, partial,
                              [=](std::int64_t at, int channel, Wide<T>* sum, Wide<T>* squares) {
                                const auto value = simt::load<width>(x + at);
                                const auto shift = simt::load<width>(x + channel);
#pragma unroll
                                for (int v = 0; v < width; ++v) {
                                  const auto d = value.at[v] - shift.at[v];
                                  sum[v] += d;
                                  squares[v] += d * d;
                                }
                              });
}

template <class T>
__global__ void statistics(BatchNormParams p, int chunks, const double* partial, const T* x,
                           Wide<T>* mean, Wide<T>* var, Wide<T>* running_mean,
                           Wide<T>* running_var) {
  merge(chunks, static_cast<int>(p.channels), partial, [=](int c, double sum, double squares) {
    const double shifted = sum / p.rows, variance = squares / p.rows - shifted * shifted;
    mean[c] = static_cast<Wide<T>>(widen(x[c]) + shifted);
    var[c] = static_cast<Wide<T>>(variance < 0 ? 0 : variance);
    RunningStatistics<Wide<T>>{running_mean, running_var}.follow(p, c, mean[c], var[c]);
  });
}

template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    normalise(std::int64_t rows, int channels, double eps, const T* x, const Wide<T>* weight,
              const Wide<T>* bias, const Wide<T>* mean, const Wide<T>* var, T* y) {
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= channels) return;
  Wide<T> scale[width];
#pragma unroll
  for (int v = 0; v < width; ++v)
    scale[v] = weight[channel + v] / std::sqrt(var[channel + v] + static_cast<Wide<T>>(eps));
  const auto center = simt::load<width>(mean + channel), offset = simt::load<width>(bias + channel);
  std::int64_t row = blockIdx.x * std::int64_t{rows_per_thread} * blockDim.y + threadIdx.y;
  for (int k = 0; k < rows_per_thread && row < rows; ++k, row += blockDim.y) {
    auto value = simt::load<width>(x + row * channels + channel);
#pragma unroll
    for (int v = 0; v < width; ++v)
      value.at[v] = (value.at[v] - center.at[v]) * scale[v] + offset.at[v];
    simt::store<width>(y + row * channels + channel, value);
  }
}

// ---- Backward (batchnorm_ref.cpp has the formula)

/// Σ g and Σ g·(x − mean).
template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    backward_sums(std::int64_t rows, int channels, const T* x, const T* grad_y, const Wide<T>* mean,
                  double* partial) {
  sum_columns<Wide<T>, width>(rows, channels, partial,
                              [=](std::int64_t at, int channel, Wide<T>* sum, Wide<T>* dot) {
                                const auto value = simt::load<width>(x + at);
                                const auto g = simt::load<width>(grad_y + at);
                                const auto center = simt::load<width>(mean + channel);
#pragma unroll
                                for (int v = 0; v < width; ++v) {
                                  sum[v] += g.at[v];
                                  dot[v] += g.at[v] * (value.at[v] - center.at[v]);
                                }
                              });
}

template <class T>
__global__ void parameter_gradients(BatchNormParams p, int chunks, const double* partial,
                                    const T* var, T* grad_weight, T* grad_bias) {
  merge(chunks, static_cast<int>(p.channels), partial, [=](int c, double sum, double dot) {
    grad_bias[c] = static_cast<T>(sum);
    grad_weight[c] = static_cast<T>(dot / std::sqrt(static_cast<double>(var[c]) + p.eps));
  });
}

template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    input_gradient(BatchNormParams p, const T* x, const T* grad_y, const Wide<T>* weight,
                   const Wide<T>* mean, const Wide<T>* var, const Wide<T>* grad_weight,
                   const Wide<T>* grad_bias, T* grad_x) {
  using W = Wide<T>;
  const int channels = static_cast<int>(p.channels);
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= channels) return;
  // grad_x = scale · (g − shift − slope · (x − mean)); in inference shift and slope are zero.
  W scale[width], shift[width], slope[width];
#pragma unroll
  for (int v = 0; v < width; ++v) {
    const int c = channel + v;
    const W inv_std = W(1) / std::sqrt(var[c] + static_cast<W>(p.eps));
    const W rows = static_cast<W>(p.rows);
    scale[v] = weight[c] * inv_std;
    shift[v] = p.training ? grad_bias[c] / rows : W(0);
    slope[v] = p.training ? grad_weight[c] / rows * inv_std : W(0);
  }
  const auto center = simt::load<width>(mean + channel);
  std::int64_t row = blockIdx.x * std::int64_t{rows_per_thread} * blockDim.y + threadIdx.y;
  for (int k = 0; k < rows_per_thread && row < p.rows; ++k, row += blockDim.y) {
    const std::int64_t at = row * channels + channel;
    const auto value = simt::load<width>(x + at);
    auto g = simt::load<width>(grad_y + at);
#pragma unroll
    for (int v = 0; v < width; ++v)
      g.at[v] = scale[v] * (g.at[v] - shift[v] - slope[v] * (value.at[v] - center.at[v]));
    simt::store<width>(grad_x + at, g);
  }
}

// ---- Launches

/// How packets of `width` channels are laid over the threads.
struct Layout {
  dim3 grid, block, merge_grid;
  Layout(const BatchNormParams& p, int width) {
    require(p.channels <= (1 << 24), "[batchnorm] {} channels, at most 16777216 are supported",
            p.channels);
    const auto packets = static_cast<unsigned>((p.channels + width - 1) / width);
    block.x = std::min(std::bit_ceil(packets), 32u);
    block.y = block_threads / block.x;
    grid.x = simt::blocks_for(p.rows, std::int64_t{rows_per_thread} * block.y);
    grid.y = simt::blocks_for(packets, block.x);
    merge_grid.x = simt::blocks_for(p.channels, merge_x);
  }
  /// Of the sums: (chunks, 2, C).
  double* allocate_partial(Exec& exec, const BatchNormParams& p) const {
    return exec.workspace.allocate_array<double>(std::int64_t{2} * grid.x * p.channels);
  }
};

template <class T>
void forward(Exec& exec, const BatchNormParams& p, const T* x, const Wide<T>* weight,
             const Wide<T>* bias, Wide<T>* mean, Wide<T>* var, Wide<T>* running_mean,
             Wide<T>* running_var, T* y) {
  const int channels = static_cast<int>(p.channels);
  simt::with_row_packets(
      p.channels,
      [&](auto packet_width) {
        constexpr int width = packet_width;
        const Layout layout(p, width);
        if (p.training) {
          double* partial = layout.allocate_partial(exec, p);
          simt::launch(exec.stream, forward_sums<T, width>, layout.grid, layout.block, 0, p.rows,
                       channels, x, partial);
          simt::launch(exec.stream, statistics<T>, layout.merge_grid, dim3(merge_x, merge_y), 0, p,
                       static_cast<int>(layout.grid.x), partial, x, mean, var, running_mean,
                       running_var);
        }
        simt::launch(exec.stream, normalise<T, width>, layout.grid, layout.block, 0, p.rows,
                     channels, p.eps, x, weight, bias, mean, var, y);
      },
      x, bias, mean, y);
}

template <class T>
void backward(Exec& exec, const BatchNormParams& p, const T* x, const T* grad_y,
              const Wide<T>* weight, const Wide<T>* mean, const Wide<T>* var, T* grad_x,
              Wide<T>* grad_weight, Wide<T>* grad_bias) {
  const int channels = static_cast<int>(p.channels);
  simt::with_row_packets(
      p.channels,
      [&](auto packet_width) {
        constexpr int width = packet_width;
        const Layout layout(p, width);
        double* partial = layout.allocate_partial(exec, p);
        simt::launch(exec.stream, backward_sums<T, width>, layout.grid, layout.block, 0, p.rows,
                     channels, x, grad_y, mean, partial);
        simt::launch(exec.stream, parameter_gradients<Wide<T>>, layout.merge_grid,
                     dim3(merge_x, merge_y), 0, p, static_cast<int>(layout.grid.x), partial, var,
                     grad_weight, grad_bias);
        simt::launch(exec.stream, input_gradient<T, width>, layout.grid, layout.block, 0, p, x,
                     grad_y, weight, mean, var, grad_weight, grad_bias, grad_x);
      },
      x, grad_y, mean, grad_x);
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
