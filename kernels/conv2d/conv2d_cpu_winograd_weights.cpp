// The gradient of the weights by Winograd's adjoint: sums over tiles, transformed back at the end.

#include "kernels/conv2d/winograd_cpu.h"

namespace duet::winograd {
namespace {

/// Rows of A are channels of one group, k a tile.
template <class T>
struct ChannelsByTile {
  const T* data;
  DUET_INLINE T operator()(int row, std::int64_t k) const { return data[k * group<T> + row]; }
};

/// sum[row][column] (+)= Σ_tile z[row] · v[column] for the channels of one group of each, from row
/// First on: as many rows at a time as the registers hold. Meanwhile what comes next is asked for,
/// z in the first pass, v in the second and the sums in the third.
template <class T, int First = 0, int Pass = 0>
DUET_INLINE void multiply_groups(const T* z, const T* v, std::int64_t tiles, T* sum, bool add,
                                 const T* next_z, const T* next_v, const T* next_sum) {
  constexpr int left = group<T> - First;
  constexpr int rows =
      (left + (left + tile_rows - 1) / tile_rows - 1) / ((left + tile_rows - 1) / tile_rows);
  const auto at = [&](int r) { return sum + (First + r) * group<T>; };
  // A block's sum starts at zero and is added as a whole: less rounding error than one long sum.
  Tile<T, rows> tile, before;
  tile.clear();
  const ChannelsByTile<T> rows_of_z{z + First};
  if constexpr (Pass < 3) {
    const T* next = Pass == 0 ? next_z : Pass == 1 ? next_v : next_sum;
    tile.multiply_add(
        rows_of_z, v, tiles, [=](std::int64_t k) __attribute__((always_inline)) {
          for (std::int64_t i = 0; i < group<T>; i += 64 / sizeof(T))
            __builtin_prefetch(next + k * group<T> + i, 0, 2);
        });
  } else {
    tile.multiply_add(rows_of_z, v, tiles);
  }
  if (add) {
    before.load_from(at);
    tile.add(before);
  }
  tile.store_to(at);
  if constexpr (First + rows < group<T>)
    multiply_groups<T, First + rows, Pass + 1>(z, v, tiles, sum, add, next_z, next_v, next_sum);
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

  /// A unit's blocks: pairs of a group of outputs and one of inputs, in the order of its plane.
  class Blocks {
   public:
    Blocks(const Units& units, std::int64_t unit)
        : o0_(unit / units.cols() * units.unit_groups),
          i0_(unit % units.cols() * units.unit_groups),
          cols_(std::min(units.in_groups - i0_, units.unit_groups)),
          count_(std::min(units.out_groups - o0_, units.unit_groups) * cols_) {}
    std::int64_t count() const { return count_; }
    std::int64_t out(std::int64_t b) const { return o0_ + b / cols_; }
    std::int64_t in(std::int64_t b) const { return i0_ + b % cols_; }

   private:
    std::int64_t o0_, i0_, cols_, count_;
  };
};

/// sums (+)= Σ over tiles first … first + count - 1, for one unit. `between()` is called before
/// each block of each product.
template <class T, class Between>
void multiply_unit(const Units<T>& units, std::int64_t unit, const Planes<T>& z_planes, const T* z,
                   const Planes<T>& v_planes, const T* v, std::int64_t first, std::int64_t count,
                   T* sums, bool add, Between&& between) {
  const typename Units<T>::Blocks blocks(units, unit);
  const auto z_at = [&](std::int64_t p, std::int64_t b) {
    return z + p * z_planes.plane + z_planes.group_pitch * blocks.out(b) + first * group<T>;
  };
  const auto v_at = [&](std::int64_t p, std::int64_t b) {
    return v + p * v_planes.plane + v_planes.group_pitch * blocks.in(b) + first * group<T>;
  };
  for (std::int64_t p = 0; p < products; ++p)
    for (std::int64_t b = 0; b < blocks.count(); ++b) {
      between();
      const bool last = b + 1 == blocks.count();
      const std::int64_t next_p = p + last, next_b = last ? 0 : b + 1;
      multiply_groups<T>(z_at(p, b), v_at(p, b), count,
                         sums + p * units.plane() + b * Units<T>::block, add, z_at(next_p, next_b),
                         v_at(next_p, next_b),
                         sums + next_p * units.plane() + next_b * Units<T>::block);
    }
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
      in_two_dimensions<T, points, taps, transform_weight_gradient<T>>(
          [&](int r, int s) __attribute__((always_inline)) {
            const T* p = from + (r * points + s) * plane;
            Vec<T> sum = load(p);
            for (std::int64_t k = 1; k < shares; ++k) sum += load(p + k * share_pitch);
            return sum;
          },
          [&](int r, int s, Vec<T> v) __attribute__((always_inline)) {
            store(out + (r * taps + s) * c.in_channels, v, c.in_channels - i0 - i);
          });
    }
}

}  // namespace

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
    constexpr std::int64_t block = 32;
    const Units<T> whole{out_groups, in_groups, std::max(out_groups, in_groups)};
    const std::int64_t wanted =
        std::clamp<std::int64_t>((std::int64_t{5} << 20) / whole.size(), 4, 16);
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
        // What the next block of tiles needs, evenly over this one's products.
        PixelPrefetch<T> next_x(x, t + block, block, 1), next_y(y, t + block, block, 0);
        const std::int64_t rows_each =
            divide_up(block * outputs, products * in_groups * out_groups);
        multiply_unit(whole, 0, z_planes, z, v_planes, v, 0, count,
                      sums + begin / share * whole.size(), t > begin, [&] {
                        for (std::int64_t i = 0; i < rows_each; ++i)
                          next_x.ask_for_row(), next_y.ask_for_row();
                      });
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
                      first + t > 0, [] {});
      if (first + count < tiles) return;
      const typename Units<T>::Blocks blocks(units, unit);
      for (std::int64_t b = 0; b < blocks.count(); ++b)
        transform_sums(sums + b * Units<T>::block, units.plane(), 1, 0, c, group<T> * blocks.out(b),
                       group<T> * blocks.in(b), grad_weight);
    });
  }
}

template void backward_weights(Exec&, const Conv2dParams&, const float*, const float*, float*);
template void backward_weights(Exec&, const Conv2dParams&, const double*, const double*, double*);

}  // namespace duet::winograd
