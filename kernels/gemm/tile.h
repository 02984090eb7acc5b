#pragma once
/// The inner loop of every matrix product on the CPU: a tile of the result, tile_rows × tile_cols,
/// that stays in registers while it adds up rows of A times a packed panel of B. Six rows of two
/// vectors are 12 independent sums, which hides the latency of a fused multiply-add and leaves room
/// for the operands in the 16 registers of AVX2. AVX-512 has 32: twice the rows read half as much
/// for each multiply-add.

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/base/exec.h"
#include "kernels/base/store_past_cache.h"
#include "kernels/base/vec.h"

namespace duet::gemm {

#if defined(__AVX512F__)
inline constexpr int tile_rows = 12;
#else
inline constexpr int tile_rows = 6;
#endif
template <class T>
inline constexpr int tile_cols = 2 * lanes<T>;

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return divide_up(a, b) * b; }

/// A copy of `bias`, or zeros without one, padded with zeros to whole tiles.
template <class T>
T* padded_bias(Exec& exec, const T* bias, std::int64_t channels) {
  const std::int64_t padded = round_up(channels, tile_cols<T>);
  T* result = exec.workspace.allocate_array<T>(padded);
  std::fill_n(result, padded, T(0));
  if (bias) std::copy_n(bias, channels, result);
  return result;
}

/// A (k, tile_rows) in a packed block: the rows' elements for one k lie together.
template <class T>
struct PackedRows {
  const T* data;
  DUET_INLINE T operator()(int row, std::int64_t k) const { return data[k * tile_rows + row]; }
};

struct Nothing {
  DUET_INLINE void operator()(std::int64_t) const {}
};

template <class T, int Rows = tile_rows>
struct Tile {
  Vec<T> sum[Rows][2];

  DUET_INLINE void clear() {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = Vec<T>{};
  }

  /// Each row starts as the tile_cols elements at `p`.
  DUET_INLINE void fill(const T* p) {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) sum[r][0] = load(p), sum[r][1] = load(p + lanes<T>);
  }

  /// `at(r)` is the address of row r's first element.
  template <class At>
  DUET_INLINE void load_from(At&& at) {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) sum[r][0] = load(at(r)), sum[r][1] = load(at(r) + lanes<T>);
  }

  template <class At>
  DUET_INLINE void store_to(At&& at) const {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) store(at(r), sum[r][0]), store(at(r) + lanes<T>, sum[r][1]);
  }

  template <class At>
  DUET_INLINE void store_past_cache_to(At&& at) const {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r)
      store_past_cache(at(r), sum[r][0]), store_past_cache(at(r) + lanes<T>, sum[r][1]);
  }

  DUET_INLINE void add(const Tile& other) {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) sum[r][0] += other.sum[r][0], sum[r][1] += other.sum[r][1];
  }

  /// Each vector v becomes f(v).
  template <class F>
  DUET_INLINE void apply(F&& f) {
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) sum[r][0] = f(sum[r][0]), sum[r][1] = f(sum[r][1]);
  }

  /// sum[r][j] += Σ_k a(r, k) · b[k][j], b packed: tile_cols elements for each k, or a matrix with
  /// rows of `pitch` elements. `meanwhile(k)` prepares a little of what comes next: memory that
  /// would be waited for later.
  template <class A, class Meanwhile = Nothing>
  DUET_INLINE void multiply_add(A a, const T* b, std::int64_t k_count, Meanwhile meanwhile = {},
                                std::int64_t pitch = tile_cols<T>) {
    Tile t = *this;
    for (std::int64_t k = 0; k < k_count; ++k, b += pitch) {
      meanwhile(k);
      const Vec<T> b0 = load(b), b1 = load(b + lanes<T>);
      DUET_UNROLL
      for (int r = 0; r < Rows; ++r) {
        const T x = a(r, k);
        t.sum[r][0] += x * b0;
        t.sum[r][1] += x * b1;
      }
    }
    *this = t;
  }
};

/// Calls `f` with how many of `rows` rows to take at once, as a type: the most that a tile has, or
/// what wastes least of a rest.
template <int most = tile_rows, class F>
void with_rows(std::int64_t rows, F&& f) {
  if (rows > 3 * most / 4)
    f(std::integral_constant<int, most>());
  else if (rows > 2 * most / 3)
    f(std::integral_constant<int, 3 * most / 4>());
  else if (rows > most / 3)
    f(std::integral_constant<int, 2 * most / 3>());
  else
    f(std::integral_constant<int, most / 3>());
}

/// Where a tile lies in the result. At the border only `rows` × `cols` of its elements exist: there
/// it works on a copy, which is copied back at the end.
template <class T>
class Place {
 public:
  /// `rows_at[r]` is the address of row r's first element, for r < rows.
  Place(T* const* rows_at, int rows, int cols)
      : rows_(rows), cols_(cols), full_(rows == tile_rows && cols == tile_cols<T>) {
    std::copy_n(rows_at, rows, rows_at_);
    if (!full_) std::fill_n(border_, tile_rows * tile_cols<T>, T(0));
  }
  Place(T* first, std::int64_t pitch, int rows, int cols)
      : rows_(rows), cols_(cols), full_(rows == tile_rows && cols == tile_cols<T>) {
    for (int r = 0; r < rows; ++r) rows_at_[r] = first + r * pitch;
    if (!full_) std::fill_n(border_, tile_rows * tile_cols<T>, T(0));
  }

  DUET_INLINE void load_to(Tile<T>& tile) {
    if (!full_)
      for (int r = 0; r < rows_; ++r) std::copy_n(rows_at_[r], cols_, border_ + r * tile_cols<T>);
    tile.load_from([&](int r) { return at(r); });
  }

  DUET_INLINE void store_from(const Tile<T>& tile, bool past_cache = false) {
    if (past_cache && full_) return tile.store_past_cache_to([&](int r) { return at(r); });
    tile.store_to([&](int r) { return at(r); });
    if (!full_)
      for (int r = 0; r < rows_; ++r) std::copy_n(border_ + r * tile_cols<T>, cols_, rows_at_[r]);
  }

 private:
  DUET_INLINE T* at(int r) { return full_ ? rows_at_[r] : border_ + r * tile_cols<T>; }

  int rows_, cols_;
  bool full_;
  T* rows_at_[tile_rows];
  T border_[tile_rows * tile_cols<T>];
};

/// Packs columns [first, first + tile_cols) of Bᵀ, which lies as `columns` rows of `pitch`
/// elements: panel[k][c] = b[first + c][k] for k < k_count, zero past the last column.
template <class T>
void pack_transposed(const T* b, std::int64_t pitch, std::int64_t first, std::int64_t columns,
                     std::int64_t k_count, T* panel) {
  constexpr std::int64_t block = 64;  // of panel rows: 4 KiB in float, stays in L1
  for (std::int64_t k0 = 0; k0 < k_count; k0 += block) {
    const std::int64_t k1 = std::min(k_count, k0 + block);
    for (int c = 0; c < tile_cols<T>; ++c) {
      const T* row = b + (first + c) * pitch;
      if (first + c < columns)
        for (std::int64_t k = k0; k < k1; ++k) panel[k * tile_cols<T> + c] = row[k];
      else
        for (std::int64_t k = k0; k < k1; ++k) panel[k * tile_cols<T> + c] = T(0);
    }
  }
}

/// Packs columns [first, first + tile_cols) of B, `columns` wide: panel[k][c] = b[k][first + c].
template <class T>
void pack(const T* b, std::int64_t pitch, std::int64_t first, std::int64_t columns,
          std::int64_t k_count, T* panel) {
  const auto cols = std::min<std::int64_t>(tile_cols<T>, columns - first);
  for (std::int64_t k = 0; k < k_count; ++k, panel += tile_cols<T>) {
    const T* row = b + k * pitch + first;
    if (cols == tile_cols<T>) {
      store(panel, load(row)), store(panel + lanes<T>, load(row + lanes<T>));
    } else {
      std::fill(std::copy_n(row, cols, panel), panel + tile_cols<T>, T(0));
    }
  }
}

/// Packs rows [first, first + tile_rows) of Aᵀ for PackedRows: `a` holds k_count rows of `pitch`
/// elements, of which `rows` are A's; block[k][r] = a[k][first + r], zero past the last row.
template <class T>
void pack_rows(const T* a, std::int64_t pitch, std::int64_t first, std::int64_t rows,
               std::int64_t k_count, T* block) {
  const auto count = std::min<std::int64_t>(tile_rows, rows - first);
  for (std::int64_t k = 0; k < k_count; ++k, block += tile_rows) {
    const T* row = a + k * pitch + first;
    if (count == tile_rows)
      std::copy_n(row, tile_rows, block);
    else
      std::fill(std::copy_n(row, count, block), block + tile_rows, T(0));
  }
}

}  // namespace duet::gemm
