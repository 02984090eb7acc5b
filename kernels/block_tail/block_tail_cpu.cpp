#include "kernels/base/store_past_cache.h"
#include "kernels/base/vec.h"
#include "kernels/batchnorm/batchnorm_cpu.h"
#include "kernels/block_tail/block_tail.h"
#include "kernels/dropout/dropout_cpu.h"

namespace duet {
namespace {

using namespace batchnorm_parts;

/// One line of windows of the image batch: (n, i). Lines of images of odd height end with one that
/// the edge cuts.
struct Line {
  std::int64_t n, i;
  bool whole;  ///< has a line of y

  Line(const BlockTailParams& p, std::int64_t index)
      : n(index / p.windows_h()), i(index % p.windows_h()), whole(i < p.out_h()) {}
  /// Offset in x of pixel (r, 0) of the line.
  std::int64_t in(const BlockTailParams& p, std::int64_t r) const {
    return ((n * p.h + i * p.pool + r) * p.w) * p.channels;
  }
  /// Offset in y of its line.
  std::int64_t out(const BlockTailParams& p) const {
    return (n * p.out_h() + i) * p.out_w() * p.channels;
  }
};

/// Calls `f(c, V{})` for channels c … c + lanes − 1, with V a vector, for what is left with vectors
/// of half the width, and half again, and for the rest one by one, with V a T.
template <class T, int bytes = vector_bytes, class F>
DUET_INLINE void for_channels(std::int64_t channels, F&& f, std::int64_t c = 0) {
  if constexpr (bytes >= 16) {
    constexpr std::int64_t step = bytes / sizeof(T);
    for (; c + step <= channels; c += step) f(c, typename VecOf<T, bytes>::type{});
    if (c < channels) for_channels<T, bytes / 2>(channels, f, c);
  } else {
    for (; c < channels; ++c) f(c, T{});
  }
}
template <class V, class T>
DUET_INLINE V get(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T>
DUET_INLINE void put(T* p, const V& v) {
  std::memcpy(p, &v, sizeof v);
}

template <class V, class T>
DUET_INLINE void put(T* p, const V& v, bool past_cache) {
  if constexpr (sizeof(V) == vector_bytes)
    if (past_cache) return store_past_cache(p, v);
  put(p, v);
}

/// The maximum of a window of normalised pixels after ReLU, and where it stood, for a vector of
/// channels. The first maximum wins, and NaN over every number.
template <class V, int pool>
struct Window {
  using Mask = decltype(V{} > V{});
  V x[pool * pool], best, best_x;
  Mask is_tap[pool * pool];

  /// `pixels[t]` is the address of the window's pixel t.
  template <class T>
  DUET_INLINE Window(const T* const (&pixels)[pool * pool], std::int64_t c, V scale, V offset) {
    DUET_UNROLL
    for (int t = 0; t < pool * pool; ++t) {
      // Of two rows in turn the processor fetches less ahead by itself.
      if (pool > 1) __builtin_prefetch(pixels[t] + c + 2048 / sizeof(T), 0, 2);
      x[t] = get<V>(pixels[t] + c);
    }
    best = rectified(x[0] * scale + offset);
    best_x = x[0];
    is_tap[0] = V{} == V{};
    DUET_UNROLL
    for (int t = 1; t < pool * pool; ++t) {
      const V value = rectified(x[t] * scale + offset);
      const Mask better = (value > best) | ((value != value) & (best == best));
      best = better ? value : best;
      best_x = better ? x[t] : best_x;
      DUET_UNROLL
      for (int before = 0; before < t; ++before) is_tap[before] = better ? Mask{} : is_tap[before];
      is_tap[t] = better;
    }
  }
  DUET_INLINE static V rectified(V y) { return y < V{} ? V{} : y; }
};

/// Addresses of a window's pixels; `first` is that of the upper left one.
template <class T, int pool>
struct Pixels {
  const T* x[pool * pool];
  Pixels(const T* first, const BlockTailParams& p) {
    for (int t = 0; t < pool * pool; ++t) x[t] = first + (t / pool * p.w + t % pool) * p.channels;
  }
};

template <class T, int pool>
void forward(Exec& exec, const BlockTailParams& p, const T* x, const T* weight, const T* bias,
             T* mean, T* var, const RunningStatistics<T>& running, T* y) {
  const BatchNormParams norm = p.batchnorm();
  if (p.training) batch_statistics(exec, norm, x, mean, var, running);
  const Normalisation<T> n(norm, weight, bias, mean, var);
  const T *scale = n.scale.data(), *offset = n.offset.data();
  const std::int64_t channels = p.channels, out_w = p.out_w();
  const bool past_cache =
      p.dropout == 0 && goes_past_cache(y, p.n * p.out_h() * out_w * channels, channels);
  parallel_chunks(p.n * p.windows_h(), [&](std::int64_t index) {
    const Line line(p, index);
    if (!line.whole) return;
    T* out = y + line.out(p);
    for (std::int64_t j = 0; j < out_w; ++j) {
      const Pixels<T, pool> pixels(x + line.in(p, 0) + j * pool * channels, p);
      T* at = out + j * channels;
      for_channels<T>(channels, [&](std::int64_t c, auto zero) {
        using V = decltype(zero);
        put(at + c, Window<V, pool>(pixels.x, c, get<V>(scale + c), get<V>(offset + c)).best,
            past_cache);
      });
    }
    if (p.dropout > 0)
      apply_dropout(p.mask.sequence(), p.dropout, line.out(p), out_w * channels, out, out);
    if (past_cache) stores_are_done();
  });
}

/// Lines whose sums stay in T: as many rows of x as batchnorm's.
template <int pool>
std::int64_t lines_per_chunk(const BlockTailParams& p) {
  return std::max<std::int64_t>(1, chunk_rows / (p.w * pool));
}

template <class T, int pool>
void backward(Exec& exec, const BlockTailParams& p, const T* x, const T* grad_y, const T* weight,
              const T* bias, const T* mean, const T* var, T* grad_x, T* grad_weight, T* grad_bias) {
  const BatchNormParams norm = p.batchnorm();
  const Normalisation<T> n(norm, weight, bias, mean, var);
  const T *scale = n.scale.data(), *offset = n.offset.data();
  const std::int64_t channels = p.channels, out_w = p.out_w();
  const std::int64_t lines = p.n * p.windows_h(), size = out_w * channels;

  // Where the sums' pass leaves a line of the gradient before dropout to the next pass: at the end
  // of the line of grad_x that is made of it. There a window's pixels are written to where
  // gradients of windows to its left were, and last its own.
  const auto masked = [&](const Line& line) {
    return grad_x + line.in(p, pool - 1) + p.w * channels - size;
  };

  const std::vector<double> sums = column_sums<T>(
      lines, lines_per_chunk<pool>(p), channels, exec.workspace,
      [&](std::int64_t index, T* sum, T* dot) {
        const Line line(p, index);
        if (!line.whole) return;
        const T* g = grad_y + line.out(p);
        if (p.dropout > 0) {
          apply_dropout(p.mask.sequence(), p.dropout, line.out(p), size, g, masked(line));
          g = masked(line);
        }
        for (std::int64_t j = 0; j < out_w; ++j, g += channels) {
          const Pixels<T, pool> pixels(x + line.in(p, 0) + j * pool * channels, p);
          for_channels<T>(channels, [&](std::int64_t c, auto zero) {
            using V = decltype(zero);
            const Window<V, pool> window(pixels.x, c, get<V>(scale + c), get<V>(offset + c));
            const V passed = window.best > V{} ? get<V>(g + c) : V{};
            put(sum + c, get<V>(sum + c) + passed);
            put(dot + c, get<V>(dot + c) + passed * (window.best_x - get<V>(mean + c)));
          });
        }
      });

  const InputGradient<T> gradient(norm, sums, weight, mean, var, grad_weight, grad_bias);
  const T *k = gradient.k.data(), *a = gradient.a.data(), *b = gradient.b.data();
  // Pixels in no window see the statistics alone.
  const auto by_statistics = [&](std::int64_t begin, std::int64_t pixels) {
    for (std::int64_t i = begin; i < begin + pixels * channels; i += channels)
      for (std::int64_t c = 0; c < channels; ++c) grad_x[i + c] = a[c] * x[i + c] + b[c];
  };
  // Not where a line is read that is being written: half a cache line past the cache is slow then.
  const bool past_cache =
      (pool > 1 || p.dropout == 0) && goes_past_cache(grad_x, p.n * p.h * p.w * channels, channels);
  parallel_chunks(lines, [&](std::int64_t index) {
    const Line line(p, index);
    if (!line.whole) return by_statistics(line.in(p, 0), (p.h - line.i * pool) * p.w);
    const T* g = p.dropout > 0 ? masked(line) : grad_y + line.out(p);
    for (std::int64_t j = 0; j < out_w; ++j, g += channels) {
      const std::int64_t first = line.in(p, 0) + j * pool * channels;
      const Pixels<T, pool> pixels(x + first, p);
      T* to[pool * pool];
      for (int t = 0; t < pool * pool; ++t) to[t] = grad_x + (pixels.x[t] - x);
      for_channels<T>(channels, [&](std::int64_t c, auto zero) {
        using V = decltype(zero);
        const Window<V, pool> window(pixels.x, c, get<V>(scale + c), get<V>(offset + c));
        const V passed = window.best > V{} ? get<V>(k + c) * get<V>(g + c) : V{};
        DUET_UNROLL
        for (int t = 0; t < pool * pool; ++t)
          put(to[t] + c,
              (window.is_tap[t] ? passed : V{}) + get<V>(a + c) * window.x[t] + get<V>(b + c),
              past_cache);
      });
    }
    for (int r = 0; r < pool; ++r)
      by_statistics(line.in(p, r) + out_w * pool * channels, p.w - out_w * pool);
    if (past_cache) stores_are_done();
  });
}

/// Calls `f` with the window's side as a type.
template <class F>
void with_pool(std::int64_t pool, F&& f) {
  if (pool == 1)
    f(std::integral_constant<int, 1>());
  else
    f(std::integral_constant<int, 2>());
}

}  // namespace

extern const BlockTailRow block_tail_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const BlockTailParams& p, DType dtype) {
      if (p.pool > 2) return Support::no("takes windows of 1 x 1 and 2 x 2");
      return any_floating(dtype);
    },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        with_pool(p.pool, [&](auto pool) {
          forward<T, pool>(exec, p, x.as<T>(), weight.as<T>(), bias.as<T>(), mean.as<T>(),
                           var.as<T>(), {running_mean.as<T>(), running_var.as<T>()}, y.as<T>());
        });
      });
    },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView bias, ConstView mean, ConstView var, View grad_x, View grad_weight,
       View grad_bias) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        with_pool(p.pool, [&](auto pool) {
          backward<T, pool>(exec, p, x.as<T>(), grad_y.as<T>(), weight.as<T>(), bias.as<T>(),
                            mean.as<T>(), var.as<T>(), grad_x.as<T>(), grad_weight.as<T>(),
                            grad_bias.as<T>());
        });
      });
    },
};

}  // namespace duet
