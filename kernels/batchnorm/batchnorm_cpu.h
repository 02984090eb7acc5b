#pragma once
/// The parts of batch normalisation on the CPU that fused ops have in common with it.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/batchnorm/batchnorm.h"

namespace duet::batchnorm_parts {

/// Rows a chunk: its partial sums stay in float, chunks are added in double, in order.
constexpr std::int64_t chunk_rows = 256;

/// Two sums over `rows` rows for each of C channels, `rows_per_chunk` rows in T, from there on in
/// double: `add_row(row, first, second)` adds a row's share to both. Returns Σ first (C), Σ second
/// (C).
template <class T, class F>
std::vector<double> column_sums(std::int64_t rows, std::int64_t rows_per_chunk,
                                std::int64_t channels, Workspace& workspace, F&& add_row) {
  const std::int64_t chunks = (rows + rows_per_chunk - 1) / rows_per_chunk, width = 2 * channels;
  T* partial = workspace.allocate_array<T>(chunks * width);
  parallel_chunks(chunks, [&](std::int64_t chunk) {
    T* sums = partial + chunk * width;
    std::fill(sums, sums + width, T(0));
    const std::int64_t end = std::min(rows, (chunk + 1) * rows_per_chunk);
    for (std::int64_t r = chunk * rows_per_chunk; r < end; ++r) add_row(r, sums, sums + channels);
  });
  std::vector<double> total(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    for (std::int64_t i = 0; i < width; ++i) total[i] += partial[chunk * width + i];
  return total;
}

/// Writes the batch's mean and variance, and moves the running ones.
template <class T>
void batch_statistics(Exec& exec, const BatchNormParams& p, const T* x, T* mean, T* var,
                      const RunningStatistics<T>& running) {
  const std::int64_t channels = p.channels;
  // The first row is subtracted, so that one pass loses no digits to a large mean.
  const std::vector<double> sums =
      column_sums<T>(p.rows, chunk_rows, channels, exec.workspace,
                     [=](std::int64_t r, T* __restrict sum, T* __restrict squares) {
                       const T* row = x + r * channels;
                       for (std::int64_t c = 0; c < channels; ++c) {
                         const T d = row[c] - x[c];
                         sum[c] += d;
                         squares[c] += d * d;
                       }
                     });
  for (std::int64_t c = 0; c < channels; ++c) {
    const double shifted = sums[c] / p.rows;
    mean[c] = static_cast<T>(x[c] + shifted);
    var[c] = static_cast<T>(std::max(0.0, sums[channels + c] / p.rows - shifted * shifted));
    running.follow(p, c, mean[c], var[c]);
  }
}

/// y = scale · x + offset.
template <class T>
struct Normalisation {
  std::vector<T> scale, offset;

  Normalisation(const BatchNormParams& p, const T* weight, const T* bias, const T* mean,
                const T* var)
      : scale(p.channels), offset(p.channels) {
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const double s = weight[c] / std::sqrt(static_cast<double>(var[c]) + p.eps);
      scale[c] = static_cast<T>(s);
      offset[c] = static_cast<T>(bias[c] - mean[c] * s);
    }
  }
};

/// grad_x = k·g + a·x + b, the three constants per channel (batchnorm_ref.cpp has the formula as
/// it is derived).
template <class T>
struct InputGradient {
  std::vector<T> k, a, b;

  /// From Σ g (C) and Σ g·(x − mean) (C), of which it makes grad_bias and grad_weight too.
  InputGradient(const BatchNormParams& p, const std::vector<double>& sums, const T* weight,
                const T* mean, const T* var, T* grad_weight, T* grad_bias)
      : k(p.channels), a(p.channels), b(p.channels) {
    for (std::int64_t c = 0; c < p.channels; ++c) {
      const double inv_std = 1.0 / std::sqrt(static_cast<double>(var[c]) + p.eps);
      const double dot = sums[p.channels + c] * inv_std;
      grad_bias[c] = static_cast<T>(sums[c]);
      grad_weight[c] = static_cast<T>(dot);
      const double scale = weight[c] * inv_std;
      const double slope = p.training ? -scale * inv_std * dot / p.rows : 0;
      k[c] = static_cast<T>(scale);
      a[c] = static_cast<T>(slope);
      b[c] = static_cast<T>(p.training ? -scale * sums[c] / p.rows - slope * mean[c] : 0);
    }
  }
};

}  // namespace duet::batchnorm_parts
