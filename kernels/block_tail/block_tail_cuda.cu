#include "kernels/batchnorm/batchnorm_cuda.h"
#include "kernels/block_tail/block_tail.h"

namespace duet {
namespace {

using namespace batchnorm_parts;

/// BlockTailParams in 32 bits, without what only the host asks.
struct Geometry {
  int h, w, channels, out_h, out_w, windows_h, windows_w;

  explicit Geometry(const BlockTailParams& p)
      : h(static_cast<int>(p.h)),
        w(static_cast<int>(p.w)),
        channels(static_cast<int>(p.channels)),
        out_h(static_cast<int>(p.out_h())),
        out_w(static_cast<int>(p.out_w())),
        windows_h(static_cast<int>(p.windows_h())),
        windows_w(static_cast<int>(p.windows_w())) {}
};

/// A packet of channels' y = (x − mean) · scale + offset.
template <class W, int width>
struct Normalisation {
  simt::Packet<W, width> mean, inv_std, scale, offset;

  __device__ Normalisation(const BatchNormParams& p, int channel, const W* weight, const W* bias,
                           const W* mean_of, const W* var)
      : mean(simt::load<width>(mean_of + channel)),
        inv_std(inverse_deviation<width>(p, var + channel)),
        scale(simt::load<width>(weight + channel)),
        offset(simt::load<width>(bias + channel)) {
#pragma unroll
    for (int v = 0; v < width; ++v) scale.at[v] *= inv_std.at[v];
  }
};

/// One window for a packet of channels: its pixels, the maximum of what batch norm and ReLU make of
/// them, and where that stood. The first maximum wins, and NaN over every number.
template <class T, int width, int pool>
struct Window {
  using W = Wide<T>;
  simt::Packet<W, width> x[pool * pool];
  W best[width], best_x[width];
  int tap[width];

  /// `first` is the address of the upper left pixel, `pitch` elements a row of the image.
  __device__ Window(const T* first, std::int64_t pitch, int channels,
                    const Normalisation<W, width>& n) {
#pragma unroll
    for (int t = 0; t < pool * pool; ++t)
      x[t] = simt::load<width>(first + t / pool * pitch + t % pool * channels);
#pragma unroll
    for (int v = 0; v < width; ++v) {
      best[v] = at(0, v, n);
      best_x[v] = x[0].at[v];
      tap[v] = 0;
#pragma unroll
      for (int t = 1; t < pool * pool; ++t) {
        const W value = at(t, v, n);
        if (value > best[v] || (value != value && best[v] == best[v])) {
          best[v] = value;
          best_x[v] = x[t].at[v];
          tap[v] = t;
        }
      }
    }
  }
  __device__ W at(int t, int v, const Normalisation<W, width>& n) const {
    const W y = (x[t].at[v] - n.mean.at[v]) * n.scale.at[v] + n.offset.at[v];
    return y < 0 ? W(0) : y;
  }
};

/// Multiplies a packet, which begins at element `index` of the result, by the mask. A packet of
/// four or eight begins at a multiple of four.
template <class W, int width>
__device__ void drop(const DropoutParams& p, std::int64_t index, W (&value)[width]) {
  if (p.p == 0) return;
  const W scale = W(1) / (W(1) - W(p.p));
  const std::uint64_t first = static_cast<std::uint64_t>(index) / 4;
  const Philox mask = p.mask.sequence();
#pragma unroll
  for (int v = 0; v < width; v += 4) {
    const Philox::Block block = mask.block(first + v / 4);
#pragma unroll
    for (int k = 0; k < 4 && v + k < width; ++k) {
      std::uint32_t word = block.word[k];
      if (width == 1)
#pragma unroll
        for (int other = 1; other < 4; ++other)
          word = index % 4 == other ? block.word[other] : word;
      value[v + k] = Philox::to_uniform(word) >= p.p ? value[v + k] * scale : W(0);
    }
  }
}

/// Where window `row`, of a grid of `rows` × `columns` windows an image, begins in x.
template <int pool>
struct Place {
  int i, j;
  std::int64_t pixel;

  __device__ Place(std::int64_t row, int rows, int columns, const Geometry& g) {
    j = static_cast<int>(row % columns);
    i = static_cast<int>(row / columns % rows);
    const std::int64_t n = row / columns / rows;
    pixel = (n * g.h + i * pool) * g.w + j * pool;
  }
};

/// A row of y a window.
template <class T, int width, int pool>
__global__ void __launch_bounds__(block_threads)
    forward(int rows_per_thread, Geometry g, BatchNormParams norm, DropoutParams dropout,
            const T* x, const Wide<T>* weight, const Wide<T>* bias, const Wide<T>* mean,
            const Wide<T>* var, T* y) {
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= g.channels) return;
  const Normalisation<Wide<T>, width> n(norm, channel, weight, bias, mean, var);
  const std::int64_t rows = dropout.count / g.channels, pitch = std::int64_t{g.w} * g.channels;
  for_own_rows(rows_per_thread, rows, [&](std::int64_t row) {
    const Place<pool> place(row, g.out_h, g.out_w, g);
    Window<T, width, pool> window(x + place.pixel * g.channels + channel, pitch, g.channels, n);
    const std::int64_t at = row * g.channels + channel;
    drop(dropout, at, window.best);
    simt::Packet<Wide<T>, width> packet;
#pragma unroll
    for (int v = 0; v < width; ++v) packet.at[v] = window.best[v];
    simt::store<width>(y + at, packet);
  });
}

/// The gradients that reach the normalised pixels: of a window, at its tap.
template <class T, int width, int pool>
__device__ void gradient_at_tap(const DropoutParams& dropout, const Window<T, width, pool>& window,
                                const T* grad_y, std::int64_t at, Wide<T> (&g)[width]) {
  const auto packet = simt::load<width>(grad_y + at);
#pragma unroll
  for (int v = 0; v < width; ++v) g[v] = packet.at[v];
  drop(dropout, at, g);
#pragma unroll
  for (int v = 0; v < width; ++v) g[v] = window.best[v] > 0 ? g[v] : Wide<T>(0);
}

/// Σ g and Σ g·(x − mean).
template <class T, int width, int pool>
__global__ void __launch_bounds__(block_threads)
    backward_sums(int rows_per_thread, Geometry g, BatchNormParams norm, DropoutParams dropout,
                  const T* x, const T* grad_y, const Wide<T>* weight, const Wide<T>* bias,
                  const Wide<T>* mean, const Wide<T>* var, double* partial) {
  const std::int64_t rows = dropout.count / g.channels, pitch = std::int64_t{g.w} * g.channels;
  const int own = width * (blockIdx.y * blockDim.x + threadIdx.x);
  const Normalisation<Wide<T>, width> n(norm, own < g.channels ? own : 0, weight, bias, mean, var);
  sum_columns<Wide<T>, width>(rows_per_thread, rows, g.channels, partial,
                              [&](std::int64_t row, int channel, Wide<T>* sum, Wide<T>* dot) {
                                const Place<pool> place(row, g.out_h, g.out_w, g);
                                const Window<T, width, pool> window(
                                    x + place.pixel * g.channels + channel, pitch, g.channels, n);
                                Wide<T> at_tap[width];
                                gradient_at_tap(dropout, window, grad_y, row * g.channels + channel,
                                                at_tap);
#pragma unroll
                                for (int v = 0; v < width; ++v) {
                                  sum[v] += at_tap[v];
                                  dot[v] += at_tap[v] * (window.best_x[v] - n.mean.at[v]);
                                }
                              });
}

/// A row of windows' pixels, those of windows that the image's edge cuts too: they have no output.
template <class T, int width, int pool>
__global__ void __launch_bounds__(block_threads)
    input_gradient(int rows_per_thread, Geometry g, BatchNormParams norm, DropoutParams dropout,
                   const T* x, const T* grad_y, const Wide<T>* weight, const Wide<T>* bias,
                   const Wide<T>* mean, const Wide<T>* var, const Wide<T>* grad_weight,
                   const Wide<T>* grad_bias, T* grad_x) {
  const int channel = width * (blockIdx.y * blockDim.x + threadIdx.x);
  if (channel >= g.channels) return;
  const Normalisation<Wide<T>, width> n(norm, channel, weight, bias, mean, var);
  const InputGradient<Wide<T>, width> gradient(norm, channel, weight, mean, n.inv_std, grad_weight,
                                               grad_bias);

  const std::int64_t rows = norm.rows / (std::int64_t{g.h} * g.w) * g.windows_h * g.windows_w;
  const std::int64_t pitch = std::int64_t{g.w} * g.channels;
  for_own_rows(rows_per_thread, rows, [&](std::int64_t row) {
    const Place<pool> place(row, g.windows_h, g.windows_w, g);
    const std::int64_t first = place.pixel * g.channels + channel;
    if (place.i < g.out_h && place.j < g.out_w) {
      const Window<T, width, pool> window(x + first, pitch, g.channels, n);
      const std::int64_t image = row / g.windows_w / g.windows_h;
      const std::int64_t out = (image * g.out_h + place.i) * g.out_w + place.j;
      Wide<T> at_tap[width];
      gradient_at_tap(dropout, window, grad_y, out * g.channels + channel, at_tap);
#pragma unroll
      for (int t = 0; t < pool * pool; ++t) {
        simt::Packet<Wide<T>, width> result;
#pragma unroll
        for (int v = 0; v < width; ++v)
          result.at[v] =
              gradient(v, window.tap[v] == t ? at_tap[v] : Wide<T>(0), window.x[t].at[v]);
        simt::store<width>(grad_x + first + t / pool * pitch + t % pool * g.channels, result);
      }
    } else {
      for (int t = 0; t < pool * pool; ++t) {
        if (place.i * pool + t / pool >= g.h || place.j * pool + t % pool >= g.w) continue;
        const std::int64_t at = first + t / pool * pitch + t % pool * g.channels;
        auto value = simt::load<width>(x + at);
#pragma unroll
        for (int v = 0; v < width; ++v) value.at[v] = gradient(v, Wide<T>(0), value.at[v]);
        simt::store<width>(grad_x + at, value);
      }
    }
  });
}

DropoutParams dropout_of(const BlockTailParams& p) {
  return {p.y_shape().numel(), p.dropout, p.mask};
}

/// Calls `f` with the side of the window and the width of packets as types. f64, which is for
/// checks, goes element by element: wide packets of it do not fit the registers.
template <class F, class T, class... Arrays>
void with_pool_and_packets(const BlockTailParams& p, F&& f, const T* x, const Arrays*... others) {
  const auto with_pool = [&](auto width) {
    if (p.pool == 1)
      f(std::integral_constant<int, 1>(), width);
    else
      f(std::integral_constant<int, 2>(), width);
  };
  if constexpr (std::is_same_v<T, double>)
    with_pool(std::integral_constant<int, 1>());
  else
    simt::with_row_packets(p.channels, with_pool, x, others...);
}

template <class T>
void forward(Exec& exec, const BlockTailParams& p, const T* x, const Wide<T>* weight,
             const Wide<T>* bias, Wide<T>* mean, Wide<T>* var, Wide<T>* running_mean,
             Wide<T>* running_var, T* y) {
  const BatchNormParams norm = p.batchnorm();
  with_pool_and_packets(
      p,
      [&](auto pool, auto packet_width) {
        constexpr int width = packet_width;
        if (p.training)
          batch_statistics<T, width>(exec, norm, x, mean, var, running_mean, running_var);
        if (p.y_shape().numel() == 0) return;
        const Layout layout(p.n * p.out_h() * p.out_w(), p.channels, width);
        simt::launch(exec.stream, forward<T, width, pool>, layout.grid, layout.block, 0,
                     layout.rows_per_thread, Geometry(p), norm, dropout_of(p), x, weight, bias,
                     mean, var, y);
      },
      x, weight, bias, mean, var, y);
}

template <class T>
void backward(Exec& exec, const BlockTailParams& p, const T* x, const T* grad_y,
              const Wide<T>* weight, const Wide<T>* bias, const Wide<T>* mean, const Wide<T>* var,
              T* grad_x, Wide<T>* grad_weight, Wide<T>* grad_bias) {
  const BatchNormParams norm = p.batchnorm();
  with_pool_and_packets(
      p,
      [&](auto pool, auto packet_width) {
        constexpr int width = packet_width;
        const Layout outputs(p.n * p.out_h() * p.out_w(), p.channels, width);
        double* partial = outputs.allocate_partial(exec, p.channels);
        simt::launch(exec.stream, backward_sums<T, width, pool>, outputs.grid, outputs.block, 0,
                     outputs.rows_per_thread, Geometry(p), norm, dropout_of(p), x, grad_y, weight,
                     bias, mean, var, partial);
        simt::launch(exec.stream, parameter_gradients<Wide<T>>, outputs.merge_grid,
                     dim3(merge_x, merge_y), 0, norm, outputs.chunks(), partial, var, grad_weight,
                     grad_bias);
        const Layout inputs(p.n * p.windows_h() * p.windows_w(), p.channels, width);
        simt::launch(exec.stream, input_gradient<T, width, pool>, inputs.grid, inputs.block, 0,
                     inputs.rows_per_thread, Geometry(p), norm, dropout_of(p), x, grad_y, weight,
                     bias, mean, var, grad_weight, grad_bias, grad_x);
      },
      x, grad_y, weight, bias, mean, var, grad_x, grad_weight, grad_bias);
}

}  // namespace

extern const BlockTailRow block_tail_cuda = {
    {SIMT_ROW("fused"), RowKind::handwritten, simt::device_type},
    [](const BlockTailParams& p, DType dtype) {
      if (p.pool > 2) return Support::no("takes windows of 1 x 1 and 2 x 2");
      if (p.h * p.w * p.channels > 0x7fffffff) return Support::no("an image has 2^31 elements");
      return any_real(dtype);
    },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        using W = Wide<T>;
        forward<T>(exec, p, x.as<T>(), weight.as<W>(), bias.as<W>(), mean.as<W>(), var.as<W>(),
                   running_mean.as<W>(), running_var.as<W>(), y.as<T>());
      });
    },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView bias, ConstView mean, ConstView var, View grad_x, View grad_weight,
       View grad_bias) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        using W = Wide<T>;
        backward<T>(exec, p, x.as<T>(), grad_y.as<T>(), weight.as<W>(), bias.as<W>(), mean.as<W>(),
                    var.as<W>(), grad_x.as<T>(), grad_weight.as<W>(), grad_bias.as<W>());
      });
    },
};

}  // namespace duet
