// The three products of a linear layer, for the few rows (1 to some hundred) that a batch has: the
// weights are the large operand and are read once, in long pieces, while the batch stays in the
// cache. Chunks of work depend on the sizes alone: the result does not depend on the number of
// threads.

#include "kernels/base/scratch.h"
#include "kernels/gemm/packed_factors.h"
#include "kernels/gemm/tile.h"
#include "kernels/linear/linear.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

using gemm::divide_up;
using gemm::Place;
using gemm::round_up;
using gemm::Tile;
using gemm::tile_cols;
using gemm::tile_rows;

/// Pairwise, as a tree.
template <class T>
DUET_INLINE T sum_of_lanes(const T* lanes_at) {
  T sum[lanes<T>];
  std::copy_n(lanes_at, lanes<T>, sum);
  for (int half = lanes<T> / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) sum[i] += sum[i + half];
  return sum[0];
}

/// Rows × columns of results whose sums stay in registers: 24 vectors of the 32 that AVX-512 has,
/// or 12 of 16.
constexpr int dot_rows = tile_rows / 2, dot_cols = 4;

/// sum[r][c] (+)= Σ_k x[r][k] · weight[c][k] for rows that are both contiguous in k: a vector of
/// partial sums for each pair, so that neither operand needs packing. `k_count` is a multiple of
/// the lanes. `sum_at(r, c)` is where a pair's vector lies, `ahead[c]` what will be read next.
template <int Rows, class T, class SumAt>
DUET_INLINE void add_products(const T* const* x, const T* const* weight, std::int64_t k_count,
                              const T* const* ahead, bool add, SumAt&& sum_at) {
  Vec<T> sum[Rows][dot_cols];
  DUET_UNROLL
  for (int r = 0; r < Rows; ++r) {
    DUET_UNROLL
    for (int c = 0; c < dot_cols; ++c) sum[r][c] = add ? load(sum_at(r, c)) : Vec<T>{};
  }
  for (std::int64_t k = 0; k < k_count; k += lanes<T>) {
    Vec<T> w[dot_cols];
    DUET_UNROLL
    for (int c = 0; c < dot_cols; ++c) {
      w[c] = load(weight[c] + k);
      if (ahead) __builtin_prefetch(ahead[c] + k, 0, 2);
    }
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const Vec<T> v = load(x[r] + k);
      DUET_UNROLL
      for (int c = 0; c < dot_cols; ++c) sum[r][c] += v * w[c];
    }
  }
  DUET_UNROLL
  for (int r = 0; r < Rows; ++r) {
    DUET_UNROLL
    for (int c = 0; c < dot_cols; ++c) store(sum_at(r, c), sum[r][c]);
  }
}

/// A matrix whose rows start in different sets of the caches, however wide it is.
template <class T>
struct SpreadRows {
  const T* data;
  std::int64_t pitch;

  /// A copy of `rows` × `columns` elements; a single row is left where it is.
  SpreadRows(Exec& exec, const T* from, std::int64_t rows, std::int64_t columns)
      : data(from), pitch(columns) {
    if (rows == 1) return;
    constexpr std::int64_t line = 64 / sizeof(T);
    pitch = round_up(columns, line) + line;
    T* copy = exec.workspace.allocate_array<T>(rows * pitch);
    parallel_for(rows, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r)
        std::copy_n(from + r * columns, columns, copy + r * pitch);
    });
    data = copy;
  }
};

/// For few rows: the weights are read as they lie, from end to end. Whole rows the processor
/// fetches ahead by itself, better than when it is told to.
template <class T>
void forward_few_rows(Exec& exec, const LinearParams& p, const T* x, const T* weight, const T* bias,
                      T* y) {
  // What a few rows read again stays in the L1 cache: 16 KiB of weights.
  const bool whole_rows = p.n <= dot_rows / 3;
  const std::int64_t k_block = whole_rows ? p.in_features : 4096 / sizeof(T);
  const std::int64_t chunk =
      std::clamp<std::int64_t>(round_up(p.out_features / 64, dot_cols), 8, 64);
  const std::int64_t chunks = divide_up(p.out_features, chunk);
  const std::int64_t whole = p.in_features / lanes<T> * lanes<T>;
  const SpreadRows<T> spread(exec, x, p.n, p.in_features);
  const std::int64_t rows_padded = p.n + dot_rows, pitch = round_up(chunk, dot_cols) * lanes<T>;
  ChunkScratch<T> scratch(exec.workspace, rows_padded * pitch, chunks);
  parallel_for(p.out_features, chunk, [&](std::int64_t begin, std::int64_t end) {
    const auto lease = scratch.take();
    T* sums = lease.get();
    if (whole == 0) std::fill_n(sums, rows_padded * pitch, T(0));
    for (std::int64_t k = 0; k < whole; k += k_block) {
      const std::int64_t k_count = std::min(k_block, whole - k);
      for (std::int64_t o = begin; o < end; o += dot_cols) {
        const T *w[dot_cols], *ahead[dot_cols];
        const bool last = o + dot_cols >= end;
        for (int c = 0; c < dot_cols; ++c) {
          w[c] = weight + std::min(o + c, end - 1) * p.in_features + k;
          ahead[c] = last ? weight + std::min(begin + c, end - 1) * p.in_features + k + k_count
                          : w[c] + dot_cols * p.in_features;
        }
        for (std::int64_t n = 0; n < p.n;)
          gemm::with_rows<dot_rows>(p.n - n, [&](auto rows) {
            const T* from[rows];
            for (int r = 0; r < rows; ++r)
              from[r] = spread.data + std::min(n + r, p.n - 1) * spread.pitch + k;
            add_products<rows>(
                from, w, k_count, n == 0 && !whole_rows ? ahead : nullptr, k > 0,
                [&](int r, int c) { return sums + (n + r) * pitch + (o - begin + c) * lanes<T>; });
            n += rows;
          });
      }
    }
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t o = begin; o < end; ++o) {
        T total = sum_of_lanes(sums + n * pitch + (o - begin) * lanes<T>);
        for (std::int64_t k = whole; k < p.in_features; ++k)
          total += x[n * p.in_features + k] * weight[o * p.in_features + k];
        if (bias) total += bias[o];
        y[n * p.out_features + o] = p.relu ? rectified(total) : total;
      }
  });
}

/// Copies rows of a matrix piece by piece, while something else is computed: to a place where they
/// do not fall into the same few sets of a cache, as rows do that are a power of two wide.
template <class T>
struct RowCopier {
  /// A cache line, or less where a tile is narrower.
  static constexpr std::int64_t piece = std::min<std::int64_t>(64 / sizeof(T), tile_cols<T>);

  const T* from;
  std::int64_t from_pitch, columns;  ///< whole pieces
  T* to;
  std::int64_t to_pitch;
  std::int64_t panel = tile_cols<T>;  ///< elements from tile_cols of a row to the next
  std::int64_t rows_ahead = 0;        ///< how far ahead of what is copied lines are asked for
  std::int64_t column = 0;

  DUET_INLINE void copy_piece() {
    if (rows_ahead > 0) __builtin_prefetch(from + rows_ahead * from_pitch + column, 0, 2);
    std::copy_n(from + column, piece, to + column / tile_cols<T> * panel + column % tile_cols<T>);
    column += piece;
    if (column == columns) column = 0, from += from_pitch, to += to_pitch;
  }
};

/// Part of a tile's rows, copied to the L1 cache.
template <class T>
struct CopiedRows {
  static constexpr std::int64_t line = 64 / sizeof(T), part = 128;
  static constexpr std::int64_t pitch = part + line, size = tile_rows * pitch;

  const T* data;
  DUET_INLINE T operator()(int r, std::int64_t k) const { return data[r * pitch + k]; }
};

/// How forward_batch goes through the weights of outputs begin … end - 1: tile by tile through a
/// block of their columns, and part by part through a tile.
struct WeightParts {
  std::int64_t begin, end, in_features, part, block;

  struct Position {
    std::int64_t block, o, k;  ///< first column of the block, first output, first column
  };
  Position first() const { return {0, begin, 0}; }
  Position after(Position at) const {
    at.k += part;
    if (at.k < std::min(at.block + block, in_features)) return at;
    return next_tile(at);
  }
  Position next_tile(Position at) const {
    at.o += tile_rows;
    if (at.o >= end) at.o = begin, at.block += block;
    at.k = at.block;
    return at;
  }
  bool has(const Position& at) const { return at.block < in_features; }
  std::int64_t rows(const Position& at) const {
    return std::min<std::int64_t>(tile_rows, end - at.o);
  }
  std::int64_t columns(const Position& at) const { return std::min(part, in_features - at.k); }
};

/// For a batch that fills vectors: yᵀ = weight · xᵀ in tiles, with rows of outputs and columns of
/// samples. While a part of a tile's weights is multiplied, the next is copied from the L2 cache,
/// and the next tile's are on their way to there.
template <class T>
void forward_batch(Exec& exec, const LinearParams& p, const T* x, const T* weight, const T* bias,
                   T* y) {
  using Rows = CopiedRows<T>;
  constexpr std::int64_t line = Rows::line, part = Rows::part, chunk = 4 * tile_rows;
  const std::int64_t panel_count = divide_up(p.n, tile_cols<T>),
                     columns = panel_count * tile_cols<T>;
  const std::int64_t panel = p.in_features * tile_cols<T>;
  T* panels = exec.workspace.allocate_array<T>(panel_count * panel);
  parallel_for(p.in_features, 2 * part, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = 0; j < panel_count; ++j)
      gemm::pack_transposed(x + begin, p.in_features, j * tile_cols<T>, p.n, end - begin,
                            panels + j * panel + begin * tile_cols<T>);
  });
  ChunkScratch<T> scratch(exec.workspace, 2 * Rows::size + chunk * columns,
                          divide_up(p.out_features, chunk));
  parallel_for(p.out_features, chunk, [&](std::int64_t begin, std::int64_t end) {
    const auto lease = scratch.take();
    T *current = lease.get(), *next = current + Rows::size, *sums = next + Rows::size;
    // A part has as many columns as a row of its block has lines, which are asked for meanwhile.
    const WeightParts parts{begin, end, p.in_features, part, part * line};
    const auto address = [&](const WeightParts::Position& at) {
      return weight + at.o * p.in_features + at.k;
    };
    const auto copy_all = [&](const WeightParts::Position& at, T* to) {
      for (std::int64_t r = 0; r < parts.rows(at); ++r)
        std::copy_n(address(at) + r * p.in_features, parts.columns(at), to + r * Rows::pitch);
    };
    if (p.in_features > 0) copy_all(parts.first(), current);
    for (auto at = parts.first(); parts.has(at); std::swap(current, next)) {
      const std::int64_t count = parts.columns(at);
      const auto following = parts.after(at);
      RowCopier<T> copier{address(following), p.in_features, part, next, Rows::pitch};
      std::int64_t copies =
          parts.has(following) ? parts.rows(following) * (part / copier.piece) : 0;
      if (copies > 0 && (parts.columns(following) < part || copies > count))
        copy_all(following, next), copies = 0;
      // A row of the next tile in each part of this one's sums.
      const T* next_row = address(parts.next_tile(at)) +
                          std::min((at.k - at.block) / part, parts.rows(at) - 1) * p.in_features;
      for (std::int64_t j = 0; j < panel_count; ++j, copies = 0) {
        const auto place = [&](int r) {
          return sums + (at.o - begin + r) * columns + j * tile_cols<T>;
        };
        Tile<T> tile;
        if (at.k == 0)
          tile.clear();
        else
          tile.load_from(place);
        tile.multiply_add(
            Rows{current}, panels + j * panel + at.k * tile_cols<T>,
            count, [=](std::int64_t i) mutable __attribute__((always_inline)) {
              if (i < copies) copier.copy_piece();
              __builtin_prefetch(next_row + i * line, 0, 2);
            });
        tile.store_to(place);
      }
      at = following;
    }
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t o = begin; o < end; ++o) {
        T total = p.in_features > 0 ? sums[(o - begin) * columns + n] : T(0);
        if (bias) total += bias[o];
        y[n * p.out_features + o] = p.relu ? rectified(total) : total;
      }
  });
}

template <class T>
void forward(Exec& exec, const LinearParams& p, const T* x, const T* weight, const T* bias, T* y) {
  if (p.n < tile_cols<T> / 2)
    forward_few_rows(exec, p, x, weight, bias, y);
  else
    forward_batch(exec, p, x, weight, bias, y);
}

template <class T>
void backward_data(Exec& exec, const LinearParams& p, const T* grad_y, const T* weight, T* grad_x) {
  // Two blocks of packed weights stay in the L2 cache, 256 KiB each in float: while one is
  // multiplied, tile by tile, the other is filled, and the rows after those are on their way.
  constexpr std::int64_t k_block = 128, row_lines = 32, rows_ahead = 4, line = 64 / sizeof(T);
  const std::int64_t chunk_columns = std::clamp<std::int64_t>(
      round_up(p.in_features / 16, tile_cols<T>), 4 * tile_cols<T>, row_lines * line);
  const std::int64_t chunks = divide_up(p.in_features, chunk_columns);
  const std::int64_t panel = k_block * tile_cols<T> + line;  // in different cache sets
  const std::int64_t block = chunk_columns / tile_cols<T> * panel;
  const std::int64_t row_tiles = divide_up(p.n, tile_rows), padded = row_tiles * tile_rows;
  T* rows = exec.workspace.allocate_array<T>(padded * p.out_features);
  parallel_for(p.out_features, k_block, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = 0; n < padded; ++n) {
      T* to = rows + n / tile_rows * tile_rows * p.out_features + n % tile_rows;
      for (std::int64_t k = begin; k < end; ++k)
        to[k * tile_rows] = n < p.n ? grad_y[n * p.out_features + k] : T(0);
    }
  });
  ChunkScratch<T> scratch(exec.workspace, 2 * block + padded * chunk_columns, chunks);
  parallel_for(p.in_features, chunk_columns, [&](std::int64_t begin, std::int64_t end) {
    const auto lease = scratch.take();
    T *current = lease.get(), *next = current + block, *sums = next + block;
    const std::int64_t columns = end - begin;
    const std::int64_t tiles = row_tiles * divide_up(columns, tile_cols<T>);
    const auto count_at = [&](std::int64_t k) { return std::min(k_block, p.out_features - k); };
    const auto pack_all = [&](std::int64_t k, T* to) {
      for (std::int64_t i = 0; i < columns; i += tile_cols<T>, to += panel)
        gemm::pack(weight + k * p.in_features + begin, p.in_features, i, columns, count_at(k), to);
    };
    if (p.out_features > 0) pack_all(0, current);
    for (std::int64_t k = 0; k < p.out_features; k += k_block, std::swap(current, next)) {
      const std::int64_t k_count = count_at(k), next_k = k + k_count;
      RowCopier<T> copier{weight + next_k * p.in_features + begin,
                          p.in_features,
                          columns,
                          next,
                          tile_cols<T>,
                          panel,
                          rows_ahead};
      std::int64_t pieces = count_at(next_k) * (columns / copier.piece);
      if (columns % tile_cols<T> != 0) pack_all(next_k, next), pieces = 0;
      const std::int64_t pieces_of_tile = tiles > 0 ? divide_up(pieces, tiles) : 0;
      for (std::int64_t i = 0; i < columns; i += tile_cols<T>)
        for (std::int64_t n = 0; n < p.n;)
          gemm::with_rows(p.n - n, [&](auto row_count) {
            const auto place = [&](int r) { return sums + (n + r) * chunk_columns + i; };
            Tile<T, row_count> tile;
            if (k == 0)
              tile.clear();
            else
              tile.load_from(place);
            const std::int64_t copies = std::min(pieces, pieces_of_tile);
            tile.multiply_add(
                gemm::PackedRows<T>{rows + n * p.out_features + k * tile_rows},
                current + i / tile_cols<T> * panel,
                k_count, [&](std::int64_t j) __attribute__((always_inline)) {
                  if (j < copies) copier.copy_piece();
                });
            for (std::int64_t j = k_count; j < copies; ++j) copier.copy_piece();
            pieces -= copies;
            tile.store_to(place);
            n += row_count;
          });
    }
    for (std::int64_t n = 0; n < p.n; ++n) {
      T* to = grad_x + n * p.in_features + begin;
      if (p.out_features > 0)
        std::copy_n(sums + n * chunk_columns, columns, to);
      else
        std::fill_n(to, columns, T(0));
    }
  });
}

template <class T>
void backward_weights(Exec& exec, const LinearParams& p, const T* x, const T* grad_y,
                      T* grad_weight) {
  // A chunk's part of x stays in the L2 cache: 256 Ki elements, or what one tile needs.
  constexpr std::int64_t chunk_rows = 16 * tile_rows;
  const std::int64_t chunk_columns =
      tile_cols<T> *
      std::clamp<std::int64_t>((1 << 18) / (tile_cols<T> * std::max<std::int64_t>(p.n, 1)), 1, 32);
  const std::int64_t column_chunks = divide_up(p.in_features, chunk_columns);
  const gemm::PackedFactors<T> factors(exec, grad_y, x, p.n, p.out_features, p.in_features);
  const bool past_cache =
      goes_past_cache(grad_weight, p.out_features * p.in_features, p.in_features);
  parallel_chunks(divide_up(p.out_features, chunk_rows) * column_chunks, [&](std::int64_t chunk) {
    const std::int64_t first_row = chunk / column_chunks * chunk_rows;
    const std::int64_t last_row = std::min(p.out_features, first_row + chunk_rows);
    const std::int64_t first_column = chunk % column_chunks * chunk_columns;
    const std::int64_t last_column = std::min(p.in_features, first_column + chunk_columns);
    for (std::int64_t o = first_row; o < last_row; o += tile_rows)
      for (std::int64_t i = first_column; i < last_column; i += tile_cols<T>)
        Place<T>(grad_weight + o * p.in_features + i, p.in_features,
                 static_cast<int>(std::min<std::int64_t>(tile_rows, last_row - o)),
                 static_cast<int>(std::min<std::int64_t>(tile_cols<T>, last_column - i)))
            .store_from(factors.tile(o, i), past_cache);
    if (past_cache) stores_are_done();
  });
}

}  // namespace

extern const LinearRow linear_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const LinearParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_data<T>(exec, p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>());
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward_weights<T>(exec, p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>());
      });
    },
};

}  // namespace duet
