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
  /// Of one group of inputs and one of outputs: [input][tap][output].
  using Block = T[group<T>][taps * taps][group<T>];

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
        in_two_dimensions<T, taps, points, transform_weights<T>>(
            [&](int i, int j)
                __attribute__((always_inline)) { return load(&block[k][i * taps + j][o]); },
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

  /// Block b, zero past the last input and output.
  void read(Block& block, std::int64_t b) const {
    const std::int64_t k0 = b % in_groups() * group<T>, o0 = b / in_groups() * group<T>;
    if (k0 + group<T> <= inputs && o0 + group<T> <= outputs) return read_whole(block, k0, o0);
    for (int k = 0; k < group<T>; ++k)
      for (int tap = 0; tap < taps * taps; ++tap)
        for (int o = 0; o < group<T>; ++o)
          block[k][tap][o] = k0 + k < inputs && o0 + o < outputs ? *at(tap, k0 + k, o0 + o) : T(0);
  }

  void read_whole(Block& block, std::int64_t k0, std::int64_t o0) const {
    for (int tap = 0; tap < taps * taps; ++tap) {
      if (turned) {
        for (int k = 0; k < group<T>; ++k)
          for (int o = 0; o < group<T>; o += lanes<T>)
            store(&block[k][tap][o], load(at(tap, k0 + k, o0 + o)));
        continue;
      }
      for (int o = 0; o < group<T>; o += lanes<T>)
        for (int k = 0; k < group<T>; k += lanes<T>) {
          Vec<T> rows[lanes<T>];
          DUET_UNROLL
          for (int i = 0; i < lanes<T>; ++i) rows[i] = load(at(tap, k0 + k, o0 + o + i));
          transpose<T>(rows);
          DUET_UNROLL
          for (int i = 0; i < lanes<T>; ++i) store(&block[k + i][tap][o], rows[i]);
        }
    }
  }
};

/// Few tiles: all are transformed first. Then for each group of outputs the weights are transformed
/// block by block, and what comes out meets all tiles before it leaves the cache.
inline constexpr std::int64_t few_tiles = 128;

#if defined(__AVX512F__)

// With 32 registers, which a fused multiply-add can meet with a number from memory, the transformed
// weights are never stored: a row of their six products stays in registers, of some inputs to meet
// many tiles, or of one input after the other where the sums of all tiles are in registers, too.

/// Inputs whose weights are in registers at once; tiles that, with a row of their sums, stay in the
/// L1 cache.
inline constexpr int depth = 4, tile_block = 32;
/// Tiles with a row of their sums in registers.
inline constexpr int tiles_in_registers = 4;

template <class T>
inline constexpr auto transform_few_inputs = transform_inputs<T, transform_scaled_input<T>>;

/// u = row `i` of G w Gᵀ, for input k and the vector of outputs that begins with `o`. Asks for a
/// sixth of what lies `ahead` elements further on.
template <class T, int i>
DUET_INLINE void transform_row(const typename Kernels<T>::Block& block, std::int64_t ahead, int k,
                               int o, Vec<T>* u) {
  Vec<T> before[taps], after[points], row[taps];
  DUET_UNROLL
  for (int j = 0; j < taps; ++j) {
    DUET_UNROLL
    for (int r = 0; r < taps; ++r) {
      const int tap = r * taps + j;
      const T* from = &block[k][tap][o];
      if (tap / 2 == i) __builtin_prefetch(from + ahead, 0, 2);
      before[r] = load(from);
    }
    transform_plain_weights<T>(before, after);
    row[j] = after[i];
  }
  transform_plain_weights<T>(row, u);
}

/// Row `i` of the products of `tiles` tiles += block · tiles, for the vector of outputs that begins
/// with `o`. `v` holds the block's inputs.
template <class T, int i>
void add_row_of_products(const typename Kernels<T>::Block& block, std::int64_t ahead, int o,
                         const Planes<T>& v_planes, const T* v, const Planes<T>& m_planes, T* m,
                         std::int64_t tiles) {
  for (int k = 0; k < group<T>; k += depth) {
    Vec<T> u[depth][points];
    DUET_UNROLL
    for (int d = 0; d < depth; ++d) transform_row<T, i>(block, ahead, k + d, o, u[d]);
    DUET_UNROLL
    for (int j = 0; j < points; ++j) {
      const T* inputs = v + (i * points + j) * v_planes.plane + k;
      T* sums = m + (i * points + j) * m_planes.plane + o;
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
void add_row_of_products(const typename Kernels<T>::Block& block, std::int64_t ahead, int o,
                         const Planes<T>& v_planes, const T* v, const Planes<T>& m_planes, T* m) {
  const T* inputs[points];
  T* sums[points];
  for (int j = 0; j < points; ++j) {
    inputs[j] = v + (i * points + j) * v_planes.plane;
    sums[j] = m + (i * points + j) * m_planes.plane + o;
  }
  Vec<T> sum[tiles_in_registers][points];
  DUET_UNROLL
  for (int t = 0; t < tiles_in_registers; ++t) {
    DUET_UNROLL
    for (int j = 0; j < points; ++j) sum[t][j] = load(sums[j] + t * group<T>);
  }
  for (int k = 0; k < group<T>; ++k) {
    Vec<T> u[points];
    transform_row<T, i>(block, ahead, k, o, u);
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

template <class T, int... i, class... Operands>
void add_rows_of_products(std::integer_sequence<int, i...>, const Operands&... operands) {
  (add_row_of_products<T, i>(operands...), ...);
}

/// Elements of scratch memory for `add_products`: a copy of the block.
template <class T>
inline constexpr std::int64_t add_scratch = sizeof(typename Kernels<T>::Block) / sizeof(T);

/// The products of all tiles (+)= block b · tiles; `first`: m holds nothing yet. `v` holds the
/// block's inputs.
template <class T>
void add_products(const Kernels<T>& kernels, std::int64_t b, T* scratch, const Planes<T>& v_planes,
                  const T* v, const Planes<T>& m_planes, T* m, std::int64_t tiles, bool first) {
  const auto& block = kernels.block(b, *reinterpret_cast<typename Kernels<T>::Block*>(scratch));
  for (int r = 0; r < group<T>; ++r) kernels.prefetch_row(b + 1, r);
  if (first) std::fill_n(m, m_planes.size(), T(0));
  // The next block, where it is known to follow.
  const std::int64_t ahead = kernels.packed ? add_scratch<T> : 0;
  constexpr std::make_integer_sequence<int, points> rows;
  for (std::int64_t t = 0; t < tiles; t += tile_block)
    for (int o = 0; o < group<T>; o += lanes<T>)
      if (tiles <= tiles_in_registers)
        add_rows_of_products<T>(rows, block, ahead, o, v_planes, v, m_planes, m);
      else
        add_rows_of_products<T>(rows, block, ahead, o, v_planes, v + t * group<T>, m_planes,
                                m + t * group<T>, std::min<std::int64_t>(tile_block, tiles - t));
}

#else

template <class T>
inline constexpr auto transform_few_inputs = transform_inputs<T>;

template <class T>
inline constexpr std::int64_t add_plane = group<T>* group<T> + plane_gap<T>;
/// Elements of scratch memory for `add_products`: the block, transformed.
template <class T>
inline constexpr std::int64_t add_scratch = add_plane<T>* products;

/// The products of all tiles (+)= block b · tiles; `first`: m holds nothing yet. `v` holds the
/// block's inputs.
template <class T>
void add_products(const Kernels<T>& kernels, std::int64_t b, T* u, const Planes<T>& v_planes,
                  const T* v, const Planes<T>& m_planes, T* m, std::int64_t tiles, bool first) {
  kernels.transform(b, u, add_plane<T>);
  // Meanwhile the next block comes from memory, a part with each row of u.
  const T* next = kernels.packed && b + 1 < kernels.blocks() ? kernels.packed[b + 1][0][0] : u;
  constexpr std::int64_t part =
      sizeof(typename Kernels<T>::Block) / sizeof(T) / (products * group<T>);
  for (int i = 0; i < products; ++i)
    for (std::int64_t t = 0; t < tiles;)
      gemm::with_rows(tiles - t, [&](auto rows) {
        const auto at = [&](int r) { return m + i * m_planes.plane + (t + r) * group<T>; };
        Tile<T, rows> sum;
        if (first)
          sum.clear();
        else
          sum.load_from(at);
        sum.multiply_add(TilesByChannel<T>{v + i * v_planes.plane + t * group<T>},
                         u + i * add_plane<T>, group<T>,
                         [=](std::int64_t j) { return next + (i * group<T> + j) * part; });
        sum.store_to(at);
        t += rows;
      });
}

#endif

template <class T>
void multiply_few_tiles(Exec& exec, const Images<T>& x, const Kernels<T>& kernels,
                        const Results<T>& y) {
  const std::int64_t in_groups = kernels.in_groups();
  const std::int64_t out_groups = divide_up(kernels.outputs, group<T>);
  const std::int64_t tiles = x.tiling.count();
  const Planes<T> v_planes(tiles, kernels.inputs), m_planes(tiles, group<T>);
  T* v = exec.workspace.allocate_array<T>(v_planes.size());
  parallel_for(tiles, divide_up(tiles, 16), [&](std::int64_t begin, std::int64_t end) {
    transform_few_inputs<T>(x, begin, end - begin, v_planes, v, begin);
  });
  ChunkScratch<T> scratch(exec.workspace, add_scratch<T> + m_planes.size(), out_groups);
  parallel_chunks(out_groups, [&](std::int64_t g) {
    const auto lease = scratch.take();
    T* m = lease.get() + add_scratch<T>;
    for (std::int64_t k = 0; k < in_groups; ++k)
      add_products(kernels, g * in_groups + k, lease.get(), v_planes, v + k * v_planes.group_pitch,
                   m_planes, m, tiles, k == 0);
    for (std::int64_t t = 0; t < tiles; ++t)
      transform_result(m + t * group<T>, m_planes.plane, x.tiling, x.tiling.at(t), g * group<T>, y);
  });
}

/// y = x ⋆ kernels.
template <class T>
void multiply_images(Exec& exec, const Images<T>& x, const Kernels<T>& kernels,
                     const Results<T>& y) {
  const std::int64_t tiles = x.tiling.count();
  if (tiles <= few_tiles) return multiply_few_tiles(exec, x, kernels, y);
  const T* u = kernels.transform_all(exec);
  const std::int64_t in_groups = kernels.in_groups();
  const std::int64_t out_groups = divide_up(kernels.outputs, group<T>);
  const std::int64_t weight_panel = in_groups * group<T> * group<T>;
  // Few channels: a chunk transforms its own tiles, and they stay in its L2 cache until they are
  // multiplied. Many: all tiles of a round are transformed first, into memory that the chunks
  // share, so that they can be cut by output channels too.
  const bool own_tiles = x.channels <= 128;
  const std::int64_t block = own_tiles ? 24 : 72;
  const std::int64_t block_groups =
      std::min<std::int64_t>(out_groups, (own_tiles ? 64 : 128) / group<T>);
  const std::int64_t round =
      own_tiles ? block : round_up(std::min(tiles, round_size / (in_groups * group<T>)), block);
  const Planes<T> v_planes(own_tiles ? block : std::min(round, tiles), x.channels);
  const Planes<T> m_planes(block, block_groups * group<T>);

  // Products and result of tiles first … of v, which stand there from place `place` on.
  const auto multiply = [&](const T* v, std::int64_t place, std::int64_t first, std::int64_t count,
                            std::int64_t first_group, std::int64_t last_group, T* m) {
    for (int i = 0; i < products; ++i)
      for (std::int64_t g = first_group; g < last_group; ++g)
        for (std::int64_t t = 0; t < count; t += tile_rows) {
          const T* a = v + i * v_planes.plane + (place + t) * group<T>;
          const T* b = u + i * kernels.plane() + g * weight_panel;
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
                         m_planes.plane, x.tiling, x.tiling.at(first + t), g * group<T>, y);
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
