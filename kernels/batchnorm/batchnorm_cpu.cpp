#include <cmath>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/batchnorm/batchnorm.h"

namespace duet {
namespace {

/// Rows a chunk: its partial sums stay in float, chunks are added in double, in order.
constexpr std::int64_t chunk_rows = 256;

/// Two sums over the rows for every channel: `f(x_row_pointer offset, c)` is inlined into a loop
/// over channels. Returns 2·C doubles: Σ first, Σ second.
template <class T, class F>
std::vector<double> column_sums(const BatchNormParams& p, Workspace& workspace, F&& add_row) {
  const std::int64_t chunks = (p.rows + chunk_rows - 1) / chunk_rows, width = 2 * p.channels;
  T* partial = workspace.allocate_array<T>(chunks * width);
  parallel_chunks(chunks, [&](std::int64_t chunk) {
    T* sums = partial + chunk * width;
    std::fill(sums, sums + width, T(0));
    const std::int64_t end = std::min(p.rows, (chunk + 1) * chunk_rows);
    for (std::int64_t r = chunk * chunk_rows; r < end; ++r)
      add_row(r * p.channels, sums, sums + p.channels);
  });
  std::vector<double> total(static_cast<std::size_t>(width), 0.0);
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    for (std::int64_t i = 0; i < width; ++i) total[i] += partial[chunk * width + i];
  return total;
}

template <class T>
void forward(Exec& exec, const BatchNormParams& p, const T* x, const T* weight, const T* bias,
             T* mean, T* var, const RunningStatistics<T>& running, T* y) {
  const std::int64_t channels = p.channels;
  if (p.training) {
    // The first row is subtracted, so that one pass loses no digits to a large mean.
    const std::vector<double> sums = column_sums<T>(
        p, exec.workspace, [=](std::int64_t row, T* __restrict sum, T* __restrict squares) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const T d = x[row + c] - x[c];
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
  std::vector<T> scale(channels), offset(channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double s = weight[c] / std::sqrt(static_cast<double>(var[c]) + p.eps);
    scale[c] = static_cast<T>(s);
    offset[c] = static_cast<T>(bias[c] - mean[c] * s);
  }
  parallel_for(p.rows, chunk_rows, [&, a = scale.data(), b = offset.data()](auto begin, auto end) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t c = 0; c < channels; ++c)
        y[r * channels + c] = x[r * channels + c] * a[c] + b[c];
  });
}

template <class T>
void backward(Exec& exec, const BatchNormParams& p, const T* x, const T* grad_y, const T* weight,
              const T* mean, const T* var, T* grad_x, T* grad_weight, T* grad_bias) {
  const std::int64_t channels = p.channels;
  const std::vector<double> sums = column_sums<T>(
      p, exec.workspace, [=](std::int64_t row, T* __restrict sum, T* __restrict dot) {
        for (std::int64_t c = 0; c < channels; ++c) {
          sum[c] += grad_y[row + c];
          dot[c] += grad_y[row + c] * (x[row + c] - mean[c]);
        }
      });
  // grad_x = k·g + a·x + b, the three constants per channel (batchnorm_ref.cpp has the formula as
  // it is derived).
  std::vector<T> k(channels), a(channels), b(channels);
  for (std::int64_t c = 0; c < channels; ++c) {
    const double inv_std = 1.0 / std::sqrt(static_cast<double>(var[c]) + p.eps);
    const double dot = sums[channels + c] * inv_std;
    grad_bias[c] = static_cast<T>(sums[c]);
    grad_weight[c] = static_cast<T>(dot);
    const double scale = weight[c] * inv_std;
    const double slope = p.training ? -scale * inv_std * dot / p.rows : 0;
    k[c] = static_cast<T>(scale);
    a[c] = static_cast<T>(slope);
    b[c] = static_cast<T>(p.training ? -scale * sums[c] / p.rows - slope * mean[c] : 0);
  }
  parallel_for(p.rows, chunk_rows,
               [&, kc = k.data(), ac = a.data(), bc = b.data()](auto begin, auto end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   for (std::int64_t c = 0; c < channels; ++c) {
                     const std::int64_t i = r * channels + c;
                     grad_x[i] = kc[c] * grad_y[i] + ac[c] * x[i] + bc[c];
                   }
               });
}

}  // namespace

extern const BatchNormRow batchnorm_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const BatchNormParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), weight.as<T>(), bias.as<T>(), mean.as<T>(), var.as<T>(),
                   RunningStatistics<T>{running_mean.as<T>(), running_var.as<T>()}, y.as<T>());
      });
    },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(exec, p, x.as<T>(), grad_y.as<T>(), weight.as<T>(), mean.as<T>(), var.as<T>(),
                    grad_x.as<T>(), grad_weight.as<T>(), grad_bias.as<T>());
      });
    },
};

}  // namespace duet
