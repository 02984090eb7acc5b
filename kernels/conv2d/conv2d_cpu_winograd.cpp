// 3×3 convolution, stride 1, padding 1, in all three directions by Winograd's F(4×4, 3×3): a
// quarter of the multiplications, as 36 independent matrix products (winograd.h has the algebra and
// the error bound). backward_data is the forward direction with the kernel turned by 180° and its
// channels exchanged.
//
// Transformed images lie as [product][group of channels][tile][channel in the group], where a group
// is as wide as a tile of gemm/tile.h. That one layout serves the micro-kernel as rows of A
// (forward: the sum runs over channels) and as panels of B (backward_weights: it runs over tiles),
// so nothing is packed.
//
// How the work is cut depends on the sizes alone: the result does not depend on the number of
// threads.

#include "kernels/base/scratch.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/conv2d/winograd.h"
#include "kernels/gemm/tile.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

using gemm::divide_up;
using gemm::round_up;
using gemm::Tile;
using gemm::tile_rows;
using winograd::products;

/// Channels of a group.
template <class T>
inline constexpr int group = gemm::tile_cols<T>;

/// Planes of transformed images start 64 bytes apart from a multiple of their size, lest the 36
/// stores of a transform fall into one cache set.
template <class T>
inline constexpr std::int64_t plane_gap = 64 / sizeof(T);

/// Tiles × channels that are transformed at once where all threads share them: 18 MiB in float, to
/// stay in the last cache.
inline constexpr std::int64_t round_size = 1 << 17;

/// `n` images of h × w pixels, cut into tiles of 4 × 4 that may reach over the lower and right
/// edge.
struct Tiling {
  std::int64_t n, h, w;
  std::int64_t rows() const { return divide_up(h, winograd::outputs); }
  std::int64_t cols() const { return divide_up(w, winograd::outputs); }
  std::int64_t count() const { return n * rows() * cols(); }

  struct Position {
    std::int64_t n, y, x;  // of the tile's first pixel
  };
  Position at(std::int64_t tile) const {
    return {tile / (rows() * cols()), tile / cols() % rows() * winograd::outputs,
            tile % cols() * winograd::outputs};
  }
};

/// Transformed tiles in memory: element (product, channel, tile) is at
///   product · plane + (channel / group) · group_pitch + tile · group + channel % group.
template <class T>
struct Planes {
  Planes(std::int64_t tiles, std::int64_t channels)
      : tiles_padded(round_up(tiles, tile_rows)),
        groups(divide_up(channels, group<T>)),
        group_pitch(tiles_padded * group<T>),
        plane(groups * group_pitch + plane_gap<T>) {}
  std::int64_t tiles_padded, groups, group_pitch, plane;
  std::int64_t size() const { return plane * products; }
};

/// The `count` elements at p, then zeros.
template <class T>
[[gnu::noinline]] Vec<T> load_some(const T* p, std::int64_t count) {
  T buffer[lanes<T>] = {};
  for (std::int64_t i = 0; i < std::min<std::int64_t>(count, lanes<T>); ++i) buffer[i] = p[i];
  return load(buffer);
}

template <class T>
[[gnu::noinline]] void store_some(T* p, Vec<T> v, std::int64_t count) {
  if (count >= lanes<T>) return store(p, v);
  for (std::int64_t i = 0; i < count; ++i) p[i] = v[i];
}

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
      store(place + (i * winograd::points + j) * planes.plane, v);
    };
    if (c + lanes<T> <= channels)
      winograd::in_two_dimensions<T, Side, winograd::points, transform>(
          [&](int i, int j) __attribute__((always_inline)) {
            if (j >= Side - winograd::outputs)
              __builtin_prefetch(pixels[i][j] + winograd::outputs * channels + c);
            return load(pixels[i][j] + c);
          },
          store_plane);
    else
      winograd::in_two_dimensions<T, Side, winograd::points, transform>(
          [&](int i, int j)
              __attribute__((always_inline)) { return load_some(pixels[i][j] + c, channels - c); },
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

/// Bᵀ d B of tiles first … first + count - 1 into places `place`, place + 1 and so on.
template <class T>
void transform_inputs(const Images<T>& x, std::int64_t first, std::int64_t count,
                      const Planes<T>& planes, T* v, std::int64_t place) {
  for (std::int64_t t = 0; t < count; ++t) {
    Tiling::Position at = x.tiling.at(first + t);
    at.y -= 1, at.x -= 1;  // the padding
    transform_tile<T, winograd::points, winograd::transform_input<T>>(
        x.data, x.tiling, at, x.channels, x.zeros, planes, v + (place + t) * group<T>);
  }
}

/// A ȳ Aᵀ of tiles first … first + count - 1.
template <class T>
void transform_gradients(const Images<T>& y, std::int64_t first, std::int64_t count,
                         const Planes<T>& planes, T* z, std::int64_t place) {
  for (std::int64_t t = 0; t < count; ++t)
    transform_tile<T, winograd::outputs, winograd::transform_gradient<T>>(
        y.data, y.tiling, y.tiling.at(first + t), y.channels, y.zeros, planes,
        z + (place + t) * group<T>);
}

/// Aᵀ m A of the tile whose products stand at `m` (one group of plane 0), plus bias, rectified if
/// `relu`, to `channels` channels of the image from channel `first` on.
template <class T>
void transform_result(const T* m, std::int64_t plane, const Tiling& tiling, Tiling::Position at,
                      const T* bias, bool relu, std::int64_t first, std::int64_t channels,
                      T* image) {
  const auto rows = std::min<std::int64_t>(winograd::outputs, tiling.h - at.y);
  const auto cols = std::min<std::int64_t>(winograd::outputs, tiling.w - at.x);
  T* out = image + ((at.n * tiling.h + at.y) * tiling.w + at.x) * channels + first;
  for (std::int64_t c = 0; c < std::min<std::int64_t>(group<T>, channels - first); c += lanes<T>) {
    const Vec<T> b = load(bias + first + c);
    const std::int64_t left = channels - first - c;
    const auto product = [&](int i, int j) __attribute__((always_inline)) {
      return load(m + (i * winograd::points + j) * plane + c);
    };
    const auto result = [&](Vec<T> v) __attribute__((always_inline)) {
      return relu ? rectified(v + b) : v + b;
    };
    if (rows == winograd::outputs && cols == winograd::outputs && left >= lanes<T>)
      winograd::in_two_dimensions<T, winograd::points, winograd::outputs,
                                  winograd::transform_output<T>>(
          product, [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
            T* at = out + (i * tiling.w + j) * channels + c;
            __builtin_prefetch(at + winograd::outputs * channels, 1);
            store(at, result(v));
          });
    else
      winograd::in_two_dimensions<T, winograd::points, winograd::outputs,
                                  winograd::transform_output<T>>(
          product, [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
            if (i < rows && j < cols)
              store_some<T>(out + (i * tiling.w + j) * channels + c, result(v), left);
          });
  }
}

/// Rows of A are tiles, k a channel of one group.
template <class T>
struct TilesByChannel {
  const T* data;
  DUET_INLINE T operator()(int row, std::int64_t k) const { return data[row * group<T> + k]; }
};

/// Rows of A are channels of one group, k a tile.
template <class T>
struct ChannelsByTile {
  const T* data;
  DUET_INLINE T operator()(int row, std::int64_t k) const { return data[k * group<T> + row]; }
};

/// Weights of one group of outputs o and one group of inputs k, G w Gᵀ, as [product][k][o] with
/// `plane` elements between products. `weight(block)` fills a [tap][k][o] block.
template <class T, class Weight>
void transform_weight_block(Weight&& weight, T* u, std::int64_t plane) {
  alignas(64) T block[winograd::taps * winograd::taps][group<T>][group<T>];
  weight(block);
  for (int k = 0; k < group<T>; ++k)
    for (int o = 0; o < group<T>; o += lanes<T>)
      winograd::in_two_dimensions<T, winograd::taps, winograd::points,
                                  winograd::transform_weights<T>>(
          [&](int i, int j)
              __attribute__((always_inline)) { return load(&block[i * winograd::taps + j][k][o]); },
          [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
            store(u + (i * winograd::points + j) * plane + k * group<T> + o, v);
          });
}

/// All weights: [product][group of outputs][input, padded to groups][output in the group].
/// `read(block, k0, o0)` fills a [tap][k][o] block with the weights from input k0 and output o0 on.
template <class T, class Read>
T* transform_all_weights(Exec& exec, std::int64_t inputs, std::int64_t outputs, Read&& read) {
  const std::int64_t input_groups = divide_up(inputs, group<T>);
  const std::int64_t output_groups = divide_up(outputs, group<T>);
  constexpr std::int64_t block = group<T> * group<T>;
  const std::int64_t plane = input_groups * output_groups * block;
  T* u = exec.workspace.allocate_array<T>(plane * products);
  parallel_for(input_groups * output_groups, 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t o = b / input_groups * group<T>, k = b % input_groups * group<T>;
      transform_weight_block<T>([&](auto& to) { read(to, k, o); }, u + b * block, plane);
    }
  });
  return u;
}

template <class T>
using WeightBlock = T[winograd::taps * winograd::taps][group<T>][group<T>];

/// Copies weights for inputs k0 … and outputs o0 … into a block, zero past the last.
/// `at(tap, k, o)` is the weight.
template <class T, class At>
void read_block(WeightBlock<T>& block, std::int64_t k0, std::int64_t inputs, std::int64_t o0,
                std::int64_t outputs, At&& at) {
  const bool whole = k0 + group<T> <= inputs && o0 + group<T> <= outputs;
  for (int tap = 0; tap < winograd::taps * winograd::taps; ++tap)
    for (int k = 0; k < group<T>; ++k)
      for (int o = 0; o < group<T>; ++o)
        block[tap][k][o] =
            whole || (k0 + k < inputs && o0 + o < outputs) ? at(tap, k0 + k, o0 + o) : T(0);
}

/// result = x ⋆ weights + bias, rectified if `relu`; `u` as transform_all_weights gives it, `bias`
/// padded to whole groups.
template <class T>
void multiply_images(Exec& exec, const Images<T>& x, const T* u, const T* bias, bool relu,
                     std::int64_t out_channels, T* result) {
  const std::int64_t in_groups = divide_up(x.channels, group<T>);
  const std::int64_t out_groups = divide_up(out_channels, group<T>);
  const std::int64_t weight_panel = in_groups * group<T> * group<T>;
  const std::int64_t tiles = x.tiling.count();
  // Few channels: a chunk transforms its own tiles, and they stay in its L2 cache until they are
  // multiplied. Many: all tiles of a round are transformed first, into memory that the chunks
  // share, so that they can be cut by output channels too.
  const bool own_tiles = x.channels <= 128;
  const std::int64_t block = own_tiles ? 24 : 72;
  const std::int64_t block_groups =
      std::min<std::int64_t>(out_groups, (own_tiles ? 64 : 128) / group<T>);
  const std::int64_t round =
      own_tiles
          ? block
          : round_up(std::min(tiles, round_size / (in_groups * group<T>)), block);
  const Planes<T> v_planes(own_tiles ? block : std::min(round, tiles), x.channels);
  const Planes<T> m_planes(block, block_groups * group<T>);

  // Products and result of tiles first … of v, which stand there from place `place` on.
  const auto multiply = [&](const T* v, std::int64_t place, std::int64_t first, std::int64_t count,
                            std::int64_t first_group, std::int64_t last_group, T* m) {
    for (int i = 0; i < products; ++i)
      for (std::int64_t g = first_group; g < last_group; ++g)
        for (std::int64_t t = 0; t < count; t += tile_rows) {
          const T* a = v + i * v_planes.plane + (place + t) * group<T>;
          const T* b = u + (i * out_groups + g) * weight_panel;
          Tile<T> sum;
          sum.clear();
          for (std::int64_t k = 0; k < in_groups; ++k) {
            sum.multiply_add(TilesByChannel<T>{a}, b, group<T>);
            a += v_planes.group_pitch;
            b += group<T> * group<T>;
          }
          T* to = m + i * m_planes.plane + (g - first_group) * m_planes.group_pitch + t * group<T>;
          sum.store_to([&](int r) { return to + r * group<T>; });
        }
    for (std::int64_t t = 0; t < count; ++t)
      for (std::int64_t g = first_group; g < last_group; ++g)
        transform_result(m + (g - first_group) * m_planes.group_pitch + t * group<T>,
                         m_planes.plane, x.tiling, x.tiling.at(first + t), bias, relu, g * group<T>,
                         out_channels, result);
  };

  if (own_tiles) {
    const std::int64_t chunks = divide_up(tiles, block);
    ChunkScratch<T> scratch(exec.workspace, v_planes.size() + m_planes.size(), chunks);
    parallel_for(tiles, block, [&](std::int64_t begin, std::int64_t end) {
      const auto lease = scratch.take();
      T *v = lease.get(), *m = v + v_planes.size();
      transform_inputs(x, begin, end - begin, v_planes, v, 0);
      for (std::int64_t g = 0; g < out_groups; g += block_groups)
        multiply(v, 0, begin, end - begin, g, std::min(out_groups, g + block_groups), m);
    });
    return;
  }
  T* v = exec.workspace.allocate_array<T>(v_planes.size());
  const std::int64_t column_chunks = divide_up(out_groups, block_groups);
  ChunkScratch<T> scratch(exec.workspace, m_planes.size(), divide_up(round, block) * column_chunks);
  for (std::int64_t first = 0; first < tiles; first += round) {
    const std::int64_t count = std::min(round, tiles - first);
    parallel_for(count, tile_rows, [&](std::int64_t begin, std::int64_t end) {
      transform_inputs(x, first + begin, end - begin, v_planes, v, begin);
    });
    parallel_chunks(divide_up(count, block) * column_chunks, [&](std::int64_t chunk) {
      const std::int64_t begin = chunk / column_chunks * block,
                         g = chunk % column_chunks * block_groups;
      const auto lease = scratch.take();
      multiply(v, begin, first + begin, std::min(block, count - begin), g,
               std::min(out_groups, g + block_groups), lease.get());
    });
  }
}

template <class T>
T* padded_bias(Exec& exec, const T* bias, std::int64_t channels) {
  const std::int64_t padded = round_up(channels, group<T>);
  T* result = exec.workspace.allocate_array<T>(padded);
  std::fill_n(result, padded, T(0));
  if (bias) std::copy_n(bias, channels, result);
  return result;
}

template <class T>
void forward(Exec& exec, const Conv2dParams& c, const T* x, const T* weight, const T* bias, T* y) {
  const T* u = transform_all_weights<T>(
      exec, c.in_channels, c.out_channels, [&](WeightBlock<T>& block, auto k0, auto o0) {
        read_block<T>(block, k0, c.in_channels, o0, c.out_channels, [&](int tap, auto k, auto o) {
          return weight[(o * 9 + tap) * c.in_channels + k];
        });
      });
  multiply_images(exec, images(exec, x, {c.n, c.h, c.w}, c.in_channels), u,
                  padded_bias(exec, bias, c.out_channels), c.relu, c.out_channels, y);
}

template <class T>
void backward_data(Exec& exec, const Conv2dParams& c, const T* grad_y, const T* weight, T* grad_x) {
  const T* u = transform_all_weights<T>(
      exec, c.out_channels, c.in_channels, [&](WeightBlock<T>& block, auto k0, auto o0) {
        read_block<T>(block, k0, c.out_channels, o0, c.in_channels, [&](int tap, auto k, auto o) {
          return weight[(k * 9 + 8 - tap) * c.in_channels + o];
        });
      });
  multiply_images(exec, images(exec, grad_y, {c.n, c.h, c.w}, c.out_channels), u,
                  padded_bias<T>(exec, nullptr, c.in_channels), false, c.in_channels, grad_x);
}

/// sum[row][column] (+)= Σ_tile z[row] · v[column] for the channels of one group of each, from row
/// First on: as many rows at a time as the registers hold.
template <class T, int First = 0>
DUET_INLINE void multiply_groups(const T* z, const T* v, std::int64_t tiles, T* sum, bool add) {
  constexpr int left = group<T> - First;
  constexpr int rows =
      (left + (left + tile_rows - 1) / tile_rows - 1) / ((left + tile_rows - 1) / tile_rows);
  const auto at = [&](int r) { return sum + (First + r) * group<T>; };
  // A block's sum starts at zero and is added as a whole: less rounding error than one long sum.
  Tile<T, rows> tile, before;
  tile.clear();
  tile.multiply_add(ChannelsByTile<T>{z + First}, v, tiles);
  if (add) {
    before.load_from(at);
    tile.add(before);
  }
  tile.store_to(at);
  if constexpr (First + rows < group<T>) multiply_groups<T, First + rows>(z, v, tiles, sum, add);
}

/// How the result of backward_weights is cut: into units of output × input channels, each of which
/// has its 36 products in one piece, as [product][group of outputs][group of inputs][row][column].
template <class T>
struct Units {
  std::int64_t out_groups, in_groups;  // of the whole
  std::int64_t unit_groups;            // of a unit, in both directions

  static constexpr std::int64_t block = std::int64_t{group<T>} * group<T>;
  std::int64_t rows() const { return divide_up(out_groups, unit_groups); }
  std::int64_t cols() const { return divide_up(in_groups, unit_groups); }
  std::int64_t count() const { return rows() * cols(); }
  std::int64_t plane() const {
    return std::min(unit_groups, out_groups) * std::min(unit_groups, in_groups) * block +
           plane_gap<T>;
  }
  std::int64_t size() const { return plane() * products; }

  /// Calls f(o, i, offset in the unit's plane) for its groups of outputs and inputs.
  template <class F>
  void for_each_block(std::int64_t unit, F&& f) const {
    const std::int64_t o0 = unit / cols() * unit_groups, i0 = unit % cols() * unit_groups;
    std::int64_t offset = 0;
    for (std::int64_t o = o0; o < std::min(out_groups, o0 + unit_groups); ++o)
      for (std::int64_t i = i0; i < std::min(in_groups, i0 + unit_groups); ++i, offset += block)
        f(o, i, offset);
  }
};

/// sums (+)= Σ over tiles first … first + count - 1, for one unit.
template <class T>
void multiply_unit(const Units<T>& units, std::int64_t unit, const Planes<T>& z_planes, const T* z,
                   const Planes<T>& v_planes, const T* v, std::int64_t first, std::int64_t count,
                   T* sums, bool add) {
  for (int p = 0; p < products; ++p)
    units.for_each_block(unit, [&](auto o, auto i, auto offset) {
      multiply_groups<T>(z + p * z_planes.plane + o * z_planes.group_pitch + first * group<T>,
                         v + p * v_planes.plane + i * v_planes.group_pitch + first * group<T>,
                         count, sums + p * units.plane() + offset, add);
    });
}

/// Gᵀ of the sums of one block, which stand in `shares` copies `share_pitch` apart, into the
/// gradient (O, 3, 3, I).
template <class T>
void transform_sums(const T* sums, std::int64_t plane, std::int64_t shares,
                    std::int64_t share_pitch, const Conv2dParams& c, std::int64_t o0,
                    std::int64_t i0, T* grad_weight) {
  for (std::int64_t o = 0; o < std::min<std::int64_t>(group<T>, c.out_channels - o0); ++o)
    for (std::int64_t i = 0; i < std::min<std::int64_t>(group<T>, c.in_channels - i0);
         i += lanes<T>) {
      T* out = grad_weight + (o0 + o) * 9 * c.in_channels + i0 + i;
      const T* from = sums + o * group<T> + i;
      winograd::in_two_dimensions<T, winograd::points, winograd::taps,
                                  winograd::transform_weight_gradient<T>>(
          [&](int r, int s) __attribute__((always_inline)) {
            const T* p = from + (r * winograd::points + s) * plane;
            Vec<T> sum = load(p);
            for (std::int64_t k = 1; k < shares; ++k) sum += load(p + k * share_pitch);
            return sum;
          },
          [&](int r, int s, Vec<T> v) __attribute__((always_inline)) {
            store_some<T>(out + (r * winograd::taps + s) * c.in_channels, v,
                          c.in_channels - i0 - i);
          });
    }
}

template <class T>
void backward_weights(Exec& exec, const Conv2dParams& c, const T* x_data, const T* grad_y,
                      T* grad_weight) {
  const Tiling tiling{c.n, c.h, c.w};
  const Images<T> x = images(exec, x_data, tiling, c.in_channels);
  const Images<T> y = images(exec, grad_y, tiling, c.out_channels);
  const std::int64_t tiles = tiling.count();
  const std::int64_t in_groups = divide_up(c.in_channels, group<T>);
  const std::int64_t out_groups = divide_up(c.out_channels, group<T>);

  if (c.in_channels * c.out_channels <= 128 * 128) {
    // Few channels: the tiles are shared out, each share has sums of its own, and what a block of
    // tiles is transformed to stays in the L2 cache.
    constexpr std::int64_t block = 60;
    const Units<T> whole{out_groups, in_groups, std::max(out_groups, in_groups)};
    const std::int64_t wanted =
        std::clamp<std::int64_t>((std::int64_t{4} << 20) / whole.size(), 4, 16);
    const std::int64_t share = round_up(divide_up(tiles, wanted), block);
    const std::int64_t shares = divide_up(tiles, share);
    const Planes<T> v_planes(block, c.in_channels), z_planes(block, c.out_channels);
    T* sums = exec.workspace.allocate_array<T>(shares * whole.size());
    ChunkScratch<T> scratch(exec.workspace, v_planes.size() + z_planes.size(), shares);
    parallel_for(tiles, share, [&](std::int64_t begin, std::int64_t end) {
      const auto lease = scratch.take();
      T *v = lease.get(), *z = v + v_planes.size();
      for (std::int64_t t = begin; t < end; t += block) {
        const std::int64_t count = std::min(block, end - t);
        transform_inputs(x, t, count, v_planes, v, 0);
        transform_gradients(y, t, count, z_planes, z, 0);
        multiply_unit(whole, 0, z_planes, z, v_planes, v, 0, count,
                      sums + begin / share * whole.size(), t > begin);
      }
    });
    parallel_for(in_groups * out_groups, 2, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b)
        transform_sums(sums + b * Units<T>::block, whole.plane(), shares, whole.size(), c,
                       b / in_groups * group<T>, b % in_groups * group<T>, grad_weight);
    });
    return;
  }

  // Many channels: a round of tiles is transformed into memory that all share, and the channels are
  // shared out.
  constexpr std::int64_t block = 128;
  const std::int64_t round =
      round_up(std::min(tiles, round_size / ((in_groups + out_groups) * group<T>)), block);
  const Planes<T> v_planes(std::min(round, tiles), c.in_channels);
  const Planes<T> z_planes(std::min(round, tiles), c.out_channels);
  const Units<T> units{out_groups, in_groups, 64 / group<T>};
  T* v = exec.workspace.allocate_array<T>(v_planes.size());
  T* z = exec.workspace.allocate_array<T>(z_planes.size());
  // One round: a unit's sums are needed no longer than its chunk runs.
  const bool one_round = round >= tiles;
  T* all_sums =
      one_round ? nullptr : exec.workspace.allocate_array<T>(units.count() * units.size());
  ChunkScratch<T> scratch(exec.workspace, one_round ? units.size() : 0, units.count());
  for (std::int64_t first = 0; first < tiles; first += round) {
    const std::int64_t count = std::min(round, tiles - first);
    parallel_for(count, tile_rows, [&](std::int64_t begin, std::int64_t end) {
      transform_inputs(x, first + begin, end - begin, v_planes, v, begin);
      transform_gradients(y, first + begin, end - begin, z_planes, z, begin);
    });
    parallel_chunks(units.count(), [&](std::int64_t unit) {
      const auto lease = scratch.take();
      T* sums = one_round ? lease.get() : all_sums + unit * units.size();
      for (std::int64_t t = 0; t < count; t += block)
        multiply_unit(units, unit, z_planes, z, v_planes, v, t, std::min(block, count - t), sums,
                      first + t > 0);
      if (first + count < tiles) return;
      units.for_each_block(unit, [&](auto o, auto i, auto offset) {
        transform_sums(sums + offset, units.plane(), 1, 0, c, o * group<T>, i * group<T>,
                       grad_weight);
      });
    });
  }
}

Support supports(const Conv2dParams& c, DType dtype) {
  if (const Support floating = any_floating(dtype); !floating) return floating;
  if (c.kernel_h != 3 || c.kernel_w != 3 || c.stride_h != 1 || c.stride_w != 1 || c.pad_h != 1 ||
      c.pad_w != 1)
    return Support::no("takes 3x3 kernels with stride 1 and pad 1 only");
  // Measured on two AVX2 cores against the other rows: below these sizes the transforms cost more
  // than the multiplications that they save.
  if (std::min(c.in_channels, c.out_channels) < 16)
    return Support::no("does not pay with fewer than 16 channels");
  const std::int64_t pixels = c.n * c.h * c.w;
  if (pixels < 192) return Support::no("does not pay with fewer than 192 pixels");
  if (Tiling{c.n, c.h, c.w}.count() * winograd::outputs * winograd::outputs > 2 * pixels)
    return Support::no("does not pay where tiles of 4x4 cover more than twice the image");
  return Support::yes();
}

}  // namespace

extern const Conv2dRow conv2d_cpu_winograd = {
    {"cpu.winograd", RowKind::handwritten, DeviceType::cpu, winograd::error_factor},
    supports,
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, c, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(exec, c, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(exec, c, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
