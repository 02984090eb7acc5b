#pragma once
/// The parts of batch normalisation in CUDA that fused ops have in common with it: sums over the
/// rows of each channel, and what is made of them.

#include <algorithm>
#include <bit>

#include "kernels/batchnorm/batchnorm.h"
#include "kernels/simt/simt.h"

namespace duet::batchnorm_parts {

// Threads lie across the channels (x), a packet each, and across the rows (y).
constexpr int block_threads = 256;
// In the merge of the blocks' sums: one channel a thread.
constexpr int merge_x = 8, merge_y = 32;

/// Rows that a thread goes through, one after the other: few enough that there are blocks for all
/// multiprocessors of a large GPU (eight for each of an H100's 132), wherever there is work for
/// them; sums of up to 16 are in T. It is a function of the sizes alone.
constexpr std::int64_t wanted_blocks = 8 * 132, most_rows_per_thread = 16;

/// Calls `f(row)` for this thread's rows.
template <class F>
__device__ void for_own_rows(int rows_per_thread, std::int64_t rows, F f) {
  std::int64_t row = blockIdx.x * std::int64_t{rows_per_thread} * blockDim.y + threadIdx.y;
  for (int k = 0; k < rows_per_thread && row < rows; ++k, row += blockDim.y) f(row);
}

/// Two sums over the rows for every channel. A thread adds its rows in T, each by
/// `add_row(row, channel, first, second)`; from there on sums are doubles: those of a block in a
/// tree, and block b's, of its chunk of rows, go to partial[b] (2, C).
template <class T, int width, class AddRow>
__device__ void sum_columns(int rows_per_thread, std::int64_t rows, int channels, double* partial,
                            AddRow add_row) {
  SIMT_SHARED(parts, double[2 * width][block_threads]);
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  T first[width] = {}, second[width] = {};
  if (channel < channels)
    for_own_rows(rows_per_thread, rows,
                 [&](std::int64_t row) { add_row(row, channel, first, second); });
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
    for (int i = 0; i < 2; ++i) {
      simt::Packet<double, width> packet;
#pragma unroll
      for (int v = 0; v < width; ++v) packet.at[v] = parts[i * width + v][thread];
      simt::store<width>(sums + i * channels, packet);
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

/// Σ d and Σ d², where d = x − first row: so one pass loses no digits to a large mean.
template <class T, int width>
__global__ void __launch_bounds__(block_threads)
    forward_sums(int rows_per_thread, std::int64_t rows, int channels, const T* x,
                 double* partial) {
  using W = Wide<T>;
  sum_columns<W, width>(rows_per_thread, rows, channels, partial,
                        [=](std::int64_t row, int channel, W* sum, W* squares) {
                          const auto value = simt::load<width>(x + row * channels + channel);
                          const auto shift = simt::load<width>(x + channel);
#pragma unroll
                          for (int v = 0; v < width; ++v) {
                            const W d = value.at[v] - shift.at[v];
                            sum[v] += d;
                            squares[v] += d * d;
                          }
                        });
}

template <class T>
__global__ void statistics(BatchNormParams p, int chunks, const double* partial, const T* x,
                           Wide<T>* mean, Wide<T>* var, Wide<T>* running_mean,
                           Wide<T>* running_var) {
  using W = Wide<T>;
  merge(chunks, static_cast<int>(p.channels), partial, [=](int c, double sum, double squares) {
    const double shifted = sum / p.rows, variance = squares / p.rows - shifted * shifted;
    mean[c] = static_cast<W>(widen(x[c]) + shifted);
    var[c] = static_cast<W>(variance < 0 ? 0 : variance);
    RunningStatistics<W>{running_mean, running_var}.follow(p, c, mean[c], var[c]);
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

/// How rows of packets of `width` channels are laid over the threads.
struct Layout {
  dim3 grid, block, merge_grid;
  int rows_per_thread;
  Layout(std::int64_t rows, std::int64_t channels, int width) {
    // A grid has 65535 rows of blocks, of 32 packets here.
    require(channels <= std::int64_t{65535} * 32,
            "[batchnorm] {} channels, at most {} are supported", channels, 65535 * 32);
    const auto packets = static_cast<unsigned>((channels + width - 1) / width);
    block.x = std::min(std::bit_ceil(packets), 32u);
    block.y = block_threads / block.x;
    rows_per_thread = static_cast<int>(std::clamp<std::int64_t>(
        rows * packets / (block_threads * wanted_blocks), 1, most_rows_per_thread));
    grid.x = simt::blocks_for(rows, std::int64_t{rows_per_thread} * block.y);
    grid.y = simt::blocks_for(packets, block.x);
    merge_grid.x = simt::blocks_for(channels, merge_x);
  }
  int chunks() const { return static_cast<int>(grid.x); }
  /// Of the sums: (chunks, 2, C).
  double* allocate_partial(Exec& exec, std::int64_t channels) const {
    return exec.workspace.allocate_array<double>(std::int64_t{2} * grid.x * channels);
  }
};

/// Writes the batch's mean and variance, and moves the running ones.
template <class T, int width>
void batch_statistics(Exec& exec, const BatchNormParams& p, const T* x, Wide<T>* mean, Wide<T>* var,
                      Wide<T>* running_mean, Wide<T>* running_var) {
  const Layout layout(p.rows, p.channels, width);
  double* partial = layout.allocate_partial(exec, p.channels);
  simt::launch(exec.stream, forward_sums<T, width>, layout.grid, layout.block, 0,
               layout.rows_per_thread, p.rows, static_cast<int>(p.channels), x, partial);
  simt::launch(exec.stream, statistics<T>, layout.merge_grid, dim3(merge_x, merge_y), 0, p,
               layout.chunks(), partial, x, mean, var, running_mean, running_var);
}

/// 1 / sqrt(var + eps) of a packet of channels.
template <int width, class T>
__device__ simt::Packet<T, width> inverse_deviation(const BatchNormParams& p, const T* var) {
  auto result = simt::load<width>(var);
#pragma unroll
  for (T& value : result.at) value = T(1) / std::sqrt(value + static_cast<T>(p.eps));
  return result;
}

/// grad_x = scale · (g − shift − slope · (x − mean)) for a packet of channels; in inference shift
/// and slope are zero (batchnorm_ref.cpp has the formula).
template <class T, int width>
struct InputGradient {
  simt::Packet<T, width> scale, shift, slope, mean;

  __device__ InputGradient(const BatchNormParams& p, int channel, const T* weight, const T* mean_of,
                           const simt::Packet<T, width>& inv_std, const T* grad_weight,
                           const T* grad_bias)
      : scale(simt::load<width>(weight + channel)),
        shift(simt::load<width>(grad_bias + channel)),
        slope(simt::load<width>(grad_weight + channel)),
        mean(simt::load<width>(mean_of + channel)) {
    const T share = p.training ? T(1) / static_cast<T>(p.rows) : T(0);
#pragma unroll
    for (int v = 0; v < width; ++v) {
      scale.at[v] *= inv_std.at[v];
      shift.at[v] *= share;
      slope.at[v] *= share * inv_std.at[v];
    }
  }
  /// Of the packet's channel v.
  __device__ T operator()(int v, T g, T x) const {
    return scale.at[v] * (g - shift.at[v] - slope.at[v] * (x - mean.at[v]));
  }
};

}  // namespace duet::batchnorm_parts
