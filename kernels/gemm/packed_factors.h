#pragma once
/// leftᵀ · right of two matrices with few rows: what the gradient of a linear layer's weights is.

#include "kernels/base/parallel.h"
#include "kernels/gemm/tile.h"

namespace duet::gemm {

/// The two matrices, packed, from which tiles of the product are computed one by one.
template <class T>
class PackedFactors {
 public:
  /// left (n, rows), right (n, columns).
  PackedFactors(Exec& exec, const T* left, const T* right, std::int64_t n, std::int64_t rows,
                std::int64_t columns)
      : n_(n),
        left_(exec.workspace.allocate_array<T>(round_up(rows, tile_rows) * n)),
        right_(exec.workspace.allocate_array<T>(round_up(columns, tile_cols<T>) * n)) {
    parallel_for(divide_up(rows, tile_rows), 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * tile_rows; i < end * tile_rows; i += tile_rows)
        pack_rows(left, rows, i, rows, n, left_ + i * n);
    });
    parallel_for(divide_up(columns, tile_cols<T>), 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin * tile_cols<T>; j < end * tile_cols<T>; j += tile_cols<T>)
        pack(right, columns, j, columns, n, right_ + j * n);
    });
  }

  /// The tile whose first element is (row, column), multiples of tile_rows and tile_cols; without
  /// meaning past the product's borders.
  DUET_INLINE Tile<T> tile(std::int64_t row, std::int64_t column) const {
    Tile<T> tile;
    tile.clear();
    tile.multiply_add(PackedRows<T>{left_ + row * n_}, right_ + column * n_, n_);
    return tile;
  }

 private:
  std::int64_t n_;
  T *left_, *right_;
};

}  // namespace duet::gemm
