// 3×3 convolution, stride 1, padding 1, in all three directions by Winograd's F(4×4, 3×3): a
// quarter of the multiplications, as 36 independent matrix products (winograd.h has the algebra and
// the error bound). backward_data is the forward direction with the kernel turned by 180° and its
// channels exchanged; backward_weights is in conv2d_cpu_winograd_weights.cpp.

#include "kernels/conv2d/winograd_cpu.h"

namespace duet {
namespace {

using namespace winograd;

/// Rows of A are tiles, k a channel of one group.
template <class T>
struct TilesByChannel {
  const T* data;
  DUET_INLINE T operator()(int row, std::int64_t k) const { return data[row * group<T> + k]; }
};

/// The kernels of a product of images, (tap, input k, output o), as they lie in memory.
template <class T>
struct Kernels {
  /// Of one group of inputs and one of outputs: [vector of outputs][input][tap][output in the
  /// vector], prepared for transform_plain_weights.
  using Block = T[group<T> / lanes<T>][group<T>][taps * taps][lanes<T>];

  const T* weight;
  std::int64_t inputs, outputs;
  bool turned = false;            ///< (k, 3, 3, o), the taps from last to first; else (o, 3, 3, k)
  const Block* packed = nullptr;  ///< all blocks, as pack() leaves them; then `weight` is not read

  std::int64_t in_groups() const { return divide_up(inputs, group<T>); }
  std::int64_t blocks() const { return in_groups() * divide_up(outputs, group<T>); }

  /// All blocks, those of a group of outputs together: what never changes is read in order then.
  void pack(Block* to) const {
    parallel_for(blocks(), 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) read(to[b], b);
    });
  }

  /// Block b, in `copy` where it is not packed.
  const Block& block(std::int64_t b, Block& copy) const {
    if (!packed) read(copy, b);
    return packed ? packed[b] : copy;
  }

  /// The blocks of one group of outputs, in `copy` where they are not packed.
  const Block* group_of_blocks(std::int64_t g, Block* copy) const {
    if (packed) return packed + g * in_groups();
    for (std::int64_t k = 0; k < in_groups(); ++k) {
      const std::int64_t b = g * in_groups() + k;
      for (int r = 0; r < group<T>; ++r) prefetch_row(b + 1, r);
      read(copy[k], b);
    }
    return copy;
  }

  /// Asks for row `r` of a block that is not packed, which stands in lines far apart. (Inlined by
  /// force: GCC drops calls of a function that does nothing but this.)
  DUET_INLINE void prefetch_row(std::int64_t b, int r) const {
    if (packed || b >= blocks()) return;
    const std::int64_t k0 = b % in_groups() * group<T>, o0 = b / in_groups() * group<T>;
    constexpr std::int64_t line = 64 / sizeof(T);
    for (int tap = 0; tap < taps * taps; ++tap) {
      const T* row = turned ? at(tap, k0 + r, o0) : at(tap, k0, o0 + r);
      for (std::int64_t i = 0; i < group<T>; i += line) __builtin_prefetch(row + i, 0, 2);
    }
  }

  /// G w Gᵀ of block b: [product][input][output] with `plane` elements between products.
  DUET_INLINE void transform(std::int64_t b, T* u, std::int64_t plane) const {
    alignas(64) Block copy;
    const Block& block = this->block(b, copy);
    for (int k = 0; k < group<T>; ++k) {
      prefetch_row(b + 1, k);
      for (int o = 0; o < group<T>; o += lanes<T>)
        in_two_dimensions<T, taps, points, transform_prepared_weights<T>>(
            [&](int i, int j) __attribute__((always_inline)) {
              return load(block[o / lanes<T>][k][i * taps + j]);
            },
            [&](int i, int j, Vec<T> v) __attribute__((always_inline)) {
              store(u + (i * points + j) * plane + k * group<T> + o, v);
            });
    }
  }

  /// Elements from product to product of all.
  std::int64_t plane() const { return blocks() * group<T> * group<T> + plane_gap<T>; }

  /// All: [product][group of outputs][input, padded to groups][output in the group].
  T* transform_all(Exec& exec) const {
    T* u = exec.workspace.allocate_array<T>(plane() * products);
    parallel_for(blocks(), 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) transform(b, u + b * group<T> * group<T>, plane());
    });
    return u;
  }

 private:
  const T* at(int tap, std::int64_t k, std::int64_t o) const {
    return weight + (turned ? (k * taps * taps + taps * taps - 1 - tap) * outputs + o
                            : (o * taps * taps + tap) * inputs + k);
  }

  /// What prepares a tap.
  static T scale(int tap) {
    const bool middle_row = tap / taps == 1, middle_column = tap % taps == 1;
    return T(middle_row && middle_column ? q * q : middle_row || middle_column ? q : 1);
  }

  /// Block b, zero past the last input and output.
  void read(Block& block, std::int64_t b) const {
    const std::int64_t k0 = b % in_groups() * group<T>, o0 = b / in_groups() * group<T>;
    if (k0 + group<T> <= inputs && o0 + group<T> <= outputs) return read_whole(block, k0, o0);
    for (int k = 0; k < group<T>; ++k)
      for (int tap = 0; tap < taps * taps; ++tap)
        for (int o = 0; o < group<T>; ++o)
          block[o / lanes<T>][k][tap][o % lanes<T>] =
              k0 + k < inputs && o0 + o < outputs ? *at(tap, k0 + k, o0 + o) * scale(tap) : T(0);
  }

  void read_whole(Block& block, std::int64_t k0, std::int64_t o0) const {
    for (int tap = 0; tap < taps * taps; ++tap) {
      const T scale = Kernels::scale(tap);
      if (turned) {
        for (int k = 0; k < group<T>; ++k)
          for (int o = 0; o < group<T>; o += lanes<T>)
            store(block[o / lanes<T>][k][tap], load(at(tap, k0 + k, o0 + o)) * scale);
        continue;
      }
      for (int o = 0; o < group<T>; o += lanes<T>)
        for (int k = 0; k < group<T>; k += lanes<T>) {
          Vec<T> rows[lanes<T>];
          DUET_UNROLL
          for (int i = 0; i < lanes<T>; ++i) rows[i] = load(at(tap, k0 + k, o0 + o + i));
          transpose<T>(rows);
          DUET_UNROLL
          for (int i = 0; i < lanes<T>; ++i)
            store(block[o / lanes<T>][k + i][tap], rows[i] * scale);
        }
    }
  }
};

/// The most tiles that meet a group of outputs' kernels at once: their products stay in the L2
/// cache.
inline constexpr std::int64_t many_tiles = 128;

/// What the products m of some transformed tiles v with one group of outputs' kernels are made of.
template <class T>
struct GroupProducts {
  using Block = typename Kernels<T>::Block;
  static constexpr std::int64_t block_size = sizeof(Block) / sizeof(T);

  const Block* blocks;  // of each group of inputs, not transformed
  std::int64_t in_groups;
  const Planes<T>& v_planes;
  const T* v;  // by transform_scaled_input
  const Planes<T>& m_planes;
  T* m;
  std::int64_t tiles;
};

/// u = row `i` of G w Gᵀ without G's factors, for input k and the vector of outputs that begins
/// with `o`. Asks for a sixth of what lies `ahead` elements further on.
template <class T, int i>
DUET_INLINE void transform_row(const typename Kernels<T>::Block& block, std::int64_t ahead, int k,
                               int o, Vec<T>* u) {
  Vec<T> before[taps], after[points], row[taps];
  DUET_UNROLL
  for (int j = 0; j < taps; ++j) {
    DUET_UNROLL
    for (int r = 0; r < taps; ++r) {
      const int tap = r * taps + j;
      const T* from = block[o / lanes<T>][k][tap];
      if (tap / 2 == i) __builtin_prefetch(from + ahead, 0, 2);
      before[r] = load(from);
    }
    transform_plain_weights<T>(before, after);
    row[j] = after[i];
  }
  transform_plain_weights<T>(row, u);
}

/// Elements from one to the next of the six products whose weights `multiply_row` transforms.
template <class T>
std::int64_t row_plane(std::int64_t in_groups) {
  return in_groups * group<T> * group<T> + plane_gap<T>;
}

/// Row `i` of the products: the weights of the six are transformed to `u`, and meet all tiles
/// before they leave the L2 cache. Meanwhile the next group's kernels are asked for.
template <class T, int i>
void multiply_row(const GroupProducts<T>& p, T* u) {
  const std::int64_t u_plane = row_plane<T>(p.in_groups);
  for (std::int64_t b = 0; b < p.in_groups; ++b)
    for (int k = 0; k < group<T>; ++k)
      for (int o = 0; o < group<T>; o += lanes<T>) {
        Vec<T> row[points];
        transform_row<T, i>(p.blocks[b], p.in_groups * p.block_size, k, o, row);
        DUET_UNROLL
        for (int j = 0; j < points; ++j)
          store(u + j * u_plane + (b * group<T> + k) * group<T> + o, row[j]);
      }
  for (int j = 0; j < points; ++j)
    for (std::int64_t t = 0; t < p.tiles;)
      gemm::with_rows(p.tiles - t, [&](auto rows) {
        Tile<T, rows> sum;
        sum.clear();
        const T* a = p.v + (i * points + j) * p.v_planes.plane + t * group<T>;
        const T* w = u + j * u_plane;
        constexpr std::int64_t ahead = 2;
        // The inputs after the next group's come from the last cache or from memory: these tiles',
        // then the next tiles', or the next product's first.
        const T* after =
            t + rows < p.tiles ? a + rows * group<T> : a + p.v_planes.plane - t * group<T>;
        for (std::int64_t b = 0; b < p.in_groups; ++b, w += group<T> * group<T>) {
          const std::int64_t rest = b + ahead - p.in_groups;
          const T* next =
              rest < 0 ? a + ahead * p.v_planes.group_pitch : after + rest * p.v_planes.group_pitch;
          sum.multiply_add(
              TilesByChannel<T>{a}, w,
              group<T>, [=](std::int64_t k) __attribute__((always_inline)) {
                __builtin_prefetch(next + k * (64 / sizeof(T)), 0, 2);
              });
          a += p.v_planes.group_pitch;
        }
        T* to = p.m + (i * points + j) * p.m_planes.plane + t * group<T>;
        sum.store_to([&](int r) { return to + r * group<T>; });
        t += rows;
      });
}

#if defined(__AVX512F__)

// With 32 registers, which a fused multiply-add can meet with a number from memory, few tiles need
// no transformed weights in memory: a row of their six products stays in registers, of some inputs
// to meet all tiles, or of one input after the other where the sums of all tiles are in registers,
// too.

inline constexpr std::int64_t few_tiles = 32;  // with a row of their sums they stay in the L1 cache
/// Inputs whose weights are in registers at once.
inline constexpr int depth = 4;
/// Tiles with a row of their sums in registers.
inline constexpr int tiles_in_registers = 4;

/// Row `i` of the products += block b · tiles, for the vector of outputs that begins with `o`.
template <class T, int i>
void add_row(const GroupProducts<T>& p, std::int64_t b, int o) {
  const std::int64_t tiles = p.tiles, v_plane = p.v_planes.plane, m_plane = p.m_planes.plane;
  const T* v = p.v + i * points * v_plane + b * p.v_planes.group_pitch;
  T* m = p.m + i * points * m_plane + o;
  for (int k = 0; k < group<T>; k += depth) {
    Vec<T> u[depth][points];
    DUET_UNROLL
    for (int d = 0; d < depth; ++d) transform_row<T, i>(p.blocks[b], p.block_size, k + d, o, u[d]);
    DUET_UNROLL
    for (int j = 0; j < points; ++j) {
      const T* inputs = v + j * v_plane + k;
      T* sums = m + j * m_plane;
      for (std::int64_t t = 0; t < tiles; ++t, inputs += group<T>, sums += group<T>) {
        Vec<T> sum = load(sums);
        DUET_UNROLL
        for (int d = 0; d < depth; ++d) sum += inputs[d] * u[d][j];
        store(sums, sum);
      }
    }
  }
}

/// The same for up to `tiles_in_registers` tiles; there is padding where they are fewer.
template <class T, int i>
void add_row_in_registers(const GroupProducts<T>& p, std::int64_t b, int o) {
  const T* inputs[points];
  T* sums[points];
  for (int j = 0; j < points; ++j) {
    inputs[j] = p.v + (i * points + j) * p.v_planes.plane + b * p.v_planes.group_pitch;
    sums[j] = p.m + (i * points + j) * p.m_planes.plane + o;
  }
  Vec<T> sum[tiles_in_registers][points];
  DUET_UNROLL
  for (int t = 0; t < tiles_in_registers; ++t) {
    DUET_UNROLL
    for (int j = 0; j < points; ++j) sum[t][j] = load(sums[j] + t * group<T>);
  }
  for (int k = 0; k < group<T>; ++k) {
    Vec<T> u[points];
    transform_row<T, i>(p.blocks[b], p.block_size, k, o, u);
    DUET_UNROLL
    for (int j = 0; j < points; ++j) {
      DUET_UNROLL
      for (int t = 0; t < tiles_in_registers; ++t) sum[t][j] += inputs[j][t * group<T> + k] * u[j];
    }
  }
  DUET_UNROLL
  for (int t = 0; t < tiles_in_registers; ++t) {
    DUET_UNROLL
    for (int j = 0; j < points; ++j) store(sums[j] + t * group<T>, sum[t][j]);
  }
}

#endif

/// All 36 products; `u` has room for six products' weights.
template <class T, int... i>
void multiply_group(const GroupProducts<T>& p, T* u, std::integer_sequence<int, i...>) {
#if defined(__AVX512F__)
  if (p.tiles <= few_tiles) {
    std::fill_n(p.m, p.m_planes.size(), T(0));
    for (std::int64_t b = 0; b < p.in_groups; ++b)
      for (int o = 0; o < group<T>; o += lanes<T>)
        if (p.tiles <= tiles_in_registers)
          (add_row_in_registers<T, i>(p, b, o), ...);
        else
          (add_row<T, i>(p, b, o), ...);
    return;
  }
#endif
  (multiply_row<T, i>(p, u), ...);
}

/// y = x ⋆ kernels, of few tiles or many channels: the tiles of a round are transformed first, into
/// memory that all threads share, so that chunks can be cut by output channels, too. A chunk
/// transforms the weights that it needs.
template <class T>
void multiply_in_rounds(Exec& exec, const Images<T>& x, const Kernels<T>& kernels,
                        const Results<T>& y) {
  using Block = typename Kernels<T>::Block;
  const std::int64_t in_groups = kernels.in_groups();
  const std::int64_t out_groups = divide_up(kernels.outputs, group<T>);
  const std::int64_t tiles = x.tiling.count();
  const std::int64_t block = std::min(tiles, many_tiles);
  const std::int64_t round = std::min(
      tiles, round_up(std::max<std::int64_t>(1, round_size / (in_groups * group<T>)), block));
  const Planes<T> v_planes(round, kernels.inputs), m_planes(block, group<T>);
  T* v = exec.workspace.allocate_array<T>(v_planes.size());

  const std::int64_t u_size = row_plane<T>(in_groups) * points;
  const std::int64_t copy_size = kernels.packed ? 0 : in_groups * sizeof(Block) / sizeof(T);
  ChunkScratch<T> scratch(exec.workspace, u_size + m_planes.size() + copy_size,
                          divide_up(round, block) * out_groups);
  for (std::int64_t first = 0; first < tiles; first += round) {
    const std::int64_t count = std::min(round, tiles - first);
    parallel_for(count, std::min<std::int64_t>(divide_up(count, 16), tile_rows),
                 [&](std::int64_t begin, std::int64_t end) {
                   transform_inputs<T, transform_scaled_input<T>>(x, first + begin, end - begin,
                                                                  v_planes, v, begin);
                 });
    parallel_chunks(divide_up(count, block) * out_groups, [&](std::int64_t chunk) {
      const std::int64_t begin = chunk / out_groups * block, g = chunk % out_groups;
      const auto lease = scratch.take();
      T *u = lease.get(), *m = u + u_size;
      auto* copy = reinterpret_cast<Block*>(m + m_planes.size());
      const GroupProducts<T> p{
          kernels.group_of_blocks(g, copy), in_groups, v_planes, v + begin * group<T>, m_planes, m,
          std::min(block, count - begin)};
      multiply_group(p, u, std::make_integer_sequence<int, points>());
      for (std::int64_t t = 0; t < p.tiles; ++t)
        transform_result(m + t * group<T>, m_planes.plane, x.tiling, x.tiling.at(first + begin + t),
                         g * group<T>, y);
      if (y.past_cache) stores_are_done();
    });
  }
}

/// The same of many tiles and few channels: all weights are transformed first. A chunk transforms
/// its own tiles, and they stay in its L2 cache until they are multiplied.
template <class T>
void multiply_by_chunk(Exec& exec, const Images<T>& x, const Kernels<T>& kernels,
                       const Results<T>& y) {
  const T* u = kernels.transform_all(exec);
  const std::int64_t in_groups = kernels.in_groups();
  const std::int64_t out_groups = divide_up(kernels.outputs, group<T>);
  const std::int64_t weight_panel = in_groups * group<T> * group<T>;
  const std::int64_t tiles = x.tiling.count();
  constexpr std::int64_t block = 24, block_groups = 64 / group<T>;
  const Planes<T> v_planes(block, x.channels), m_planes(block, 64);
  ChunkScratch<T> scratch(exec.workspace, v_planes.size() + m_planes.size(),
                          divide_up(tiles, block));
  parallel_for(tiles, block, [&](std::int64_t begin, std::int64_t end) {
    const auto lease = scratch.take();
    T *v = lease.get(), *m = v + v_planes.size();
    transform_inputs(x, begin, end - begin, v_planes, v, 0);
    // The tiles that this thread is likely to get next.
    PixelPrefetch<T> next(x, begin + block, block, 1);
    for (std::int64_t first_group = 0; first_group < out_groups; first_group += block_groups) {
      const std::int64_t last_group = std::min(out_groups, first_group + block_groups);
      for (int i = 0; i < products; ++i)
        for (std::int64_t g = first_group; g < last_group; ++g)
          for (std::int64_t t = 0; t < end - begin; t += tile_rows) {
            next.ask_for_row();
            const T* a = v + i * v_planes.plane + t * group<T>;
            const T* b = u + i * kernels.plane() + g * weight_panel;
            Tile<T> sum;
            sum.clear();
            for (std::int64_t k = 0; k < in_groups; ++k) {
              sum.multiply_add(TilesByChannel<T>{a}, b, group<T>);
              a += v_planes.group_pitch;
              b += group<T> * group<T>;
            }
            T* to =
                m + i * m_planes.plane + (g - first_group) * m_planes.group_pitch + t * group<T>;
            sum.store_to([&](int r) { return to + r * group<T>; });
          }
      for (std::int64_t t = 0; t < end - begin; ++t)
        for (std::int64_t g = first_group; g < last_group; ++g)
          transform_result(m + (g - first_group) * m_planes.group_pitch + t * group<T>,
                           m_planes.plane, x.tiling, x.tiling.at(begin + t), g * group<T>, y);
    }
    if (y.past_cache) stores_are_done();
  });
}

/// y = x ⋆ kernels.
template <class T>
void multiply_images(Exec& exec, const Images<T>& x, const Kernels<T>& kernels, Results<T> y) {
  y.past_cache =
      !y.pool &&
      goes_past_cache(y.data, x.tiling.n * x.tiling.h * x.tiling.w * y.channels, y.channels);
  if (x.channels <= 128 && x.tiling.count() > many_tiles)
    multiply_by_chunk(exec, x, kernels, y);
  else
    multiply_in_rounds(exec, x, kernels, y);
}

template <class T>
void forward(Exec& exec, const Conv2dParams& c, const T* x, const Kernels<T>& kernels,
             const T* bias, bool pool, T* y) {
  multiply_images(
      exec, images(exec, x, {c.n, c.h, c.w}, c.in_channels), kernels,
      Results<T>{y, c.out_channels, padded_bias(exec, bias, c.out_channels), c.relu, pool});
}

template <class T>
Kernels<T> kernels_of(const Conv2dParams& c, const T* weight) {
  return {weight, c.in_channels, c.out_channels};
}

template <class T>
Kernels<T> packed_kernels_of(const Conv2dParams& c, const T* packed) {
  return {nullptr, c.in_channels, c.out_channels, false,
          reinterpret_cast<const typename Kernels<T>::Block*>(packed)};
}

template <class T>
void backward_data(Exec& exec, const Conv2dParams& c, const T* grad_y, const T* weight, T* grad_x) {
  multiply_images(exec, images(exec, grad_y, {c.n, c.h, c.w}, c.out_channels),
                  Kernels<T>{weight, c.out_channels, c.in_channels, true},
                  Results<T>{grad_x, c.in_channels, padded_bias<T>(exec, nullptr, c.in_channels)});
}

Support supports(const Conv2dParams& c, DType dtype) {
  if (const Support floating = any_floating(dtype); !floating) return floating;
  if (c.kernel_h != 3 || c.kernel_w != 3 || c.stride_h != 1 || c.stride_w != 1 || c.pad_h != 1 ||
      c.pad_w != 1)
    return Support::no("takes 3x3 kernels with stride 1 and pad 1 only");
  // Measured on two cores against the other rows: below these sizes the transforms cost more
  // than the multiplications that they save.
  if (std::min(c.in_channels, c.out_channels) < 16)
    return Support::no("does not pay with fewer than 16 channels");
  const std::int64_t pixels = c.n * c.h * c.w;
  if (pixels < 64) return Support::no("does not pay with fewer than 64 pixels");
  if (Tiling{c.n, c.h, c.w}.count() * outputs * outputs > 2 * pixels)
    return Support::no("does not pay where tiles of 4x4 cover more than twice the image");
  return Support::yes();
}

const Conv2dInference inference = {
    [](const Conv2dParams& c, DType dtype) {
      return dispatch_floating(dtype, [&](auto zero) {
        using T = decltype(zero);
        return kernels_of<T>(c, nullptr).blocks() *
               static_cast<std::int64_t>(sizeof(typename Kernels<T>::Block) / sizeof(T));
      });
    },
    [](Exec&, const Conv2dParams& c, ConstView weight, View packed) {
      dispatch_floating(weight.dtype, [&](auto zero) {
        using T = decltype(zero);
        kernels_of(c, weight.as<T>())
            .pack(reinterpret_cast<typename Kernels<T>::Block*>(packed.as<T>()));
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView packed, ConstView bias, bool pool,
       View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, c, x.as<T>(), packed_kernels_of(c, packed.as<T>()),
                   bias ? bias.as<T>() : nullptr, pool, y.as<T>());
      });
    },
};

}  // namespace

extern const Conv2dRow conv2d_cpu_winograd = {
    {"cpu.winograd", RowKind::handwritten, DeviceType::cpu, winograd::error_factor},
    supports,
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, c, x.as<T>(), kernels_of(c, weight.as<T>()), bias ? bias.as<T>() : nullptr,
                   false, y.as<T>());
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
    &inference,
};

}  // namespace duet
