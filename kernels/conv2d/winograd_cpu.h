#pragma once
/// What the directions of Winograd's convolution on the CPU have in common: images, transformed
/// tile by tile (winograd.h has the algebra).
///
/// Transformed images lie as [product][group of channels][tile][channel in the group], where a
/// group is as wide as a tile of gemm/tile.h. That one layout serves the micro-kernel as rows of A
/// (forward: the sum runs over channels) and as panels of B (backward_weights: it runs over tiles),
/// so nothing is packed.
///
/// How the work is cut depends on the sizes alone: the result does not depend on the number of
/// threads.

#include "kernels/base/scratch.h"
#include "kernels/base/store_past_cache.h"
#include "kernels/base/vec_math.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/winograd.h"
#include "kernels/gemm/tile.h"
#include "kernels/relu/relu.h"

namespace duet::winograd {

using gemm::divide_up;
using gemm::padded_bias;
using gemm::round_up;
using gemm::Tile;
using gemm::tile_rows;

/// Channels of a group.
template <class T>
inline constexpr int group = gemm::tile_cols<T>;

/// Planes of transformed images start 64 bytes apart from a multiple of their size, lest the 36
/// stores of a transform fall into one cache set.
template <class T>
inline constexpr std::int64_t plane_gap = 64 / sizeof(T);

/// Tiles × channels that are transformed at once where all threads share them: 9 MiB in float, to
/// stay in the last cache beside what else is in use.
inline constexpr std::int64_t round_size = 1 << 16;

/// `n` images of h × w pixels, cut into tiles of 4 × 4 that may reach over the lower and right
/// edge.
struct Tiling {
  std::int64_t n, h, w;
  std::int64_t rows() const { return divide_up(h, outputs); }
  std::int64_t cols() const { return divide_up(w, outputs); }
  std::int64_t count() const { return n * rows() * cols(); }

  struct Position {
    std::int64_t n, y, x;  // of the tile's first pixel
  };
  Position at(std::int64_t tile) const {
    return {tile / (rows() * cols()), tile / cols() % rows() * outputs, tile % cols() * outputs};
  }
};

/// Planes of as many bytes or more are stored past the caches: they are read many times, but a line
/// that another core has read is slow to overwrite. Where the two cores do not share a last cache,
/// a vector's 36 stores took 2400 to 2900 cycles instead of 330.
inline constexpr std::int64_t planes_past_cache_bytes = std::int64_t{4} << 20;

/// Transformed tiles in memory: element (product, channel, tile) is at
///   product · plane + (channel / group) · group_pitch + tile · group + channel % group.
template <class T>
struct Planes {
  Planes(std::int64_t tiles, std::int64_t channels)
      : tiles_padded(round_up(tiles, tile_rows)),
        groups(divide_up(channels, group<T>)),
        group_pitch(tiles_padded * group<T>),
        plane(groups * group_pitch + plane_gap<T>),
        past_cache(size() * static_cast<std::int64_t>(sizeof(T)) >= planes_past_cache_bytes) {}
  std::int64_t tiles_padded, groups, group_pitch, plane;
  bool past_cache;  ///< see store_past_cache.h
  std::int64_t size() const { return plane * products; }
};

/// Transforms one tile of Side × Side pixels whose first is (y, x) of an image; what lies outside
/// the image is zero. `to` is the tile's place in group 0 of plane 0.
template <class T, int Side, void (*transform)(const Vec<T>*, Vec<T>*)>
void transform_tile(const T* image, const Tiling& tiling, Tiling::Position at,
                    std::int64_t channels, const T* zeros, const Planes<T>& planes, T* to) {
  const T* pixels[Side][Side];
  for (int i = 0; i < Side; ++i)
    for (int j = 0; j < Side; ++j) {
      const std::int64_t y = at.y + i, x = at.x + j;
      const bool inside = y >= 0 && y < tiling.h && x >= 0 && x < tiling.w;
      pixels[i][j] = inside ? image + ((at.n * tiling.h + y) * tiling.w + x) * channels : zeros;
    }
  const std::int64_t padded = planes.groups * group<T>;
  for (std::int64_t c = 0; c < padded; c += lanes<T>) {
    T* place = to + c / group<T> * planes.group_pitch + c % group<T>;
    const auto store_plane = [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
      T* to = place + (i * points + j) * planes.plane;
      planes.past_cache ? store_past_cache(to, v) : store(to, v);
    };
    if (c + lanes<T> <= channels)
      in_two_dimensions<T, Side, points, transform>(
          [&](int i, int j) __attribute__((always_inline)) {
            if (j >= Side - outputs) __builtin_prefetch(pixels[i][j] + outputs * channels + c);
            return load(pixels[i][j] + c);
          },
          store_plane);
    else
      in_two_dimensions<T, Side, points, transform>(
          [&](int i, int j)
              __attribute__((always_inline)) { return load(pixels[i][j] + c, channels - c); },
          store_plane);
  }
}

/// Images (N, H, W, channels) that are read tile by tile.
template <class T>
struct Images {
  const T* data;
  Tiling tiling;
  std::int64_t channels;
  const T* zeros;  // `channels` of them
};

template <class T>
Images<T> images(Exec& exec, const T* data, const Tiling& tiling, std::int64_t channels) {
  T* zeros = exec.workspace.allocate_array<T>(channels);
  std::fill_n(zeros, channels, T(0));
  return {data, tiling, channels, zeros};
}

/// Asks for the pixels of tiles that will be transformed soon, a row of a tile at a time, while
/// something else is computed: the transforms by themselves would wait for memory.
template <class T>
class PixelPrefetch {
 public:
  /// `margin`: how far the pixels reach over the tiles' lower and right edges.
  PixelPrefetch(const Images<T>& x, std::int64_t first, std::int64_t count, std::int64_t margin)
      : x_(x),
        next_(first * outputs),
        end_(std::min(first + count, x.tiling.count()) * outputs),
        margin_(margin) {}

  DUET_INLINE void ask_for_row() {
    if (next_ >= end_) return;
    const Tiling& tiling = x_.tiling;
    const Tiling::Position at = tiling.at(next_ / outputs);
    const std::int64_t y = at.y + next_ % outputs + margin_;
    ++next_;
    if (y >= tiling.h) return;
    const T* row = x_.data + ((at.n * tiling.h + y) * tiling.w + at.x + margin_) * x_.channels;
    constexpr std::int64_t line = 64 / sizeof(T);
    for (std::int64_t i = 0; i < outputs * x_.channels; i += line)
      __builtin_prefetch(row + i, 0, 2);
  }

 private:
  const Images<T>& x_;
  std::int64_t next_, end_, margin_;
};

/// Bᵀ d B of tiles first … first + count - 1 into places `place`, place + 1 and so on.
template <class T, void (*transform)(const Vec<T>*, Vec<T>*) = transform_input<T>>
void transform_inputs(const Images<T>& x, std::int64_t first, std::int64_t count,
                      const Planes<T>& planes, T* v, std::int64_t place) {
  for (std::int64_t t = 0; t < count; ++t) {
    Tiling::Position at = x.tiling.at(first + t);
    at.y -= 1, at.x -= 1;  // the padding
    transform_tile<T, points, transform>(x.data, x.tiling, at, x.channels, x.zeros, planes,
                                         v + (place + t) * group<T>);
  }
  if (planes.past_cache) stores_are_done();
}

/// A ȳ Aᵀ of tiles first … first + count - 1.
template <class T>
void transform_gradients(const Images<T>& y, std::int64_t first, std::int64_t count,
                         const Planes<T>& planes, T* z, std::int64_t place) {
  for (std::int64_t t = 0; t < count; ++t)
    transform_tile<T, outputs, transform_gradient<T>>(y.data, y.tiling, y.tiling.at(first + t),
                                                      y.channels, y.zeros, planes,
                                                      z + (place + t) * group<T>);
  if (planes.past_cache) stores_are_done();
}

/// Where results go, and what becomes of them: plus bias, which is padded to whole groups, then
/// rectified if `relu`, then the maxima of windows of 2 × 2 if `pool`.
template <class T>
struct Results {
  T* data;  // (N, H, W, channels) or, with `pool`, (N, H/2, W/2, channels)
  std::int64_t channels;
  const T* bias;
  bool relu = false, pool = false;
  bool past_cache = false;  ///< see store_past_cache.h
};

/// The greater of two numbers; NaN wins.
template <class T>
DUET_INLINE Vec<T> pooled(Vec<T> a, Vec<T> b) {
  return (b > a) | (b != b) ? b : a;
}

/// Aᵀ m A of the tile whose products stand at `m` (one group of plane 0), to the group of channels
/// that begins with channel `first`.
template <class T>
void transform_result(const T* m, std::int64_t plane, const Tiling& tiling, Tiling::Position at,
                      std::int64_t first, const Results<T>& y) {
  const int window = y.pool ? 2 : 1;
  const std::int64_t h = tiling.h / window, w = tiling.w / window;
  const std::int64_t top = at.y / window, left = at.x / window;
  const auto rows = std::min<std::int64_t>(outputs / window, h - top);
  const auto cols = std::min<std::int64_t>(outputs / window, w - left);
  T* out = y.data + ((at.n * h + top) * w + left) * y.channels + first;
  for (std::int64_t c = 0; c < std::min<std::int64_t>(group<T>, y.channels - first);
       c += lanes<T>) {
    const Vec<T> bias = load(y.bias + first + c);
    const std::int64_t rest = y.channels - first - c;
    const auto product = [&](int i, int j) __attribute__((always_inline)) {
      return load(m + (i * points + j) * plane + c);
    };
    const auto result = [&](Vec<T> v) __attribute__((always_inline)) {
      return y.relu ? rectified(v + bias) : v + bias;
    };
    const bool whole = rows == outputs / window && cols == outputs / window && rest >= lanes<T>;
    const auto put = [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
      T* to = out + (i * w + j) * y.channels + c;
      if (whole)
        store(to, result(v));
      else if (i < rows && j < cols)
        store(to, result(v), rest);
    };
    if (y.pool) {
      Vec<T> best[outputs / 2];
      in_two_dimensions<T, points, outputs, transform_output<T>>(
          product, [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
            Vec<T>& window_best = best[j / 2];
            window_best = i % 2 + j % 2 == 0 ? v : pooled<T>(window_best, v);
            if (i % 2 == 1 && j % 2 == 1) put(i / 2, j / 2, window_best);
          });
    } else if (whole) {
      in_two_dimensions<T, points, outputs, transform_output<T>>(
          product, [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
            T* to = out + (i * w + j) * y.channels + c;
            if (y.past_cache) return store_past_cache(to, result(v));
            __builtin_prefetch(to + outputs * y.channels, 1);
            store(to, result(v));
          });
    } else {
      in_two_dimensions<T, points, outputs, transform_output<T>>(product, put);
    }
  }
}

/// grad_y, x → grad_weight (O, 3, 3, I).
template <class T>
void backward_weights(Exec& exec, const Conv2dParams& c, const T* x, const T* grad_y,
                      T* grad_weight);

}  // namespace duet::winograd
