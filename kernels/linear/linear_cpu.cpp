// The three products of a linear layer, for the few rows (1 to some hundred) that a batch has: the
// weights are the large operand and are read once, in long pieces, while the batch stays in the
// cache. Chunks of work depend on the sizes alone: the result does not depend on the number of
// threads.

#include "kernels/base/scratch.h"
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

template <class T>
DUET_INLINE T sum_of_lanes(Vec<T> v) {
  T sum = 0;
  for (int i = 0; i < lanes<T>; ++i) sum += v[i];
  return sum;
}

/// y[r][c] += Σ_k x[r][k] · weight[c][k] for Rows × 4 pairs of rows that are both contiguous in k:
/// a vector of partial sums for each pair, so that neither operand needs packing.
template <int Rows, class T>
DUET_INLINE void add_dot_products(const T* const* x, const T* const* weight, std::int64_t k_count,
                                  T* const* y, int rows, int cols) {
  Vec<T> sum[Rows][4] = {};
  std::int64_t k = 0;
  for (; k + lanes<T> <= k_count; k += lanes<T>) {
    Vec<T> w[4];
    DUET_UNROLL
    for (int c = 0; c < 4; ++c) w[c] = load(weight[c] + k);
    DUET_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const Vec<T> v = load(x[r] + k);
      DUET_UNROLL
      for (int c = 0; c < 4; ++c) sum[r][c] += v * w[c];
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) {
      T total = sum_of_lanes<T>(sum[r][c]);
      for (std::int64_t rest = k; rest < k_count; ++rest) total += x[r][rest] * weight[c][rest];
      y[r][c] += total;
    }
}

template <class T>
void forward(const LinearParams& p, const T* x, const T* weight, const T* bias, T* y) {
  constexpr std::int64_t k_block = 1024;  // 16 KiB of weights (float) meet the whole batch
  const std::int64_t chunk_outputs = p.out_features >= 1024 ? 32 : 8;
  parallel_for(p.out_features, chunk_outputs, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t o = begin; o < end; ++o) y[n * p.out_features + o] = bias ? bias[o] : T(0);
    for (std::int64_t k = 0; k < p.in_features; k += k_block) {
      const std::int64_t k_count = std::min(k_block, p.in_features - k);
      for (std::int64_t o = begin; o < end; o += 4) {
        const int cols = static_cast<int>(std::min<std::int64_t>(4, end - o));
        const T* w[4];
        for (int c = 0; c < 4; ++c) w[c] = weight + (o + std::min(c, cols - 1)) * p.in_features + k;
        for (std::int64_t n = 0; n < p.n; n += 3) {
          const int rows = static_cast<int>(std::min<std::int64_t>(3, p.n - n));
          const T* from[3];
          T* to[3];
          for (int r = 0; r < 3; ++r) {
            from[r] = x + (n + std::min(r, rows - 1)) * p.in_features + k;
            to[r] = y + (n + std::min(r, rows - 1)) * p.out_features + o;
          }
          if (rows == 1)
            add_dot_products<1>(from, w, k_count, to, rows, cols);
          else
            add_dot_products<3>(from, w, k_count, to, rows, cols);
        }
      }
    }
    if (p.relu)
      for (std::int64_t n = 0; n < p.n; ++n)
        for (std::int64_t o = begin; o < end; ++o)
          y[n * p.out_features + o] = rectified(y[n * p.out_features + o]);
  });
}

template <class T>
void backward_data(Exec& exec, const LinearParams& p, const T* grad_y, const T* weight, T* grad_x) {
  // A block of weights, packed, stays in the L2 cache: 128 KiB in float. Its rows are read 2 KiB at
  // a time where the matrix is wide enough to give every core columns of its own.
  constexpr std::int64_t k_block = 64;
  const std::int64_t chunk_columns =
      std::clamp<std::int64_t>(round_up(p.in_features / 16, tile_cols<T>), 4 * tile_cols<T>, 512);
  const std::int64_t chunks = divide_up(p.in_features, chunk_columns);
  ChunkScratch<T> panels(exec.workspace, k_block * chunk_columns, chunks);
  parallel_for(p.in_features, chunk_columns, [&](std::int64_t begin, std::int64_t end) {
    const auto lease = panels.take();
    for (std::int64_t k = 0; k < p.out_features; k += k_block) {
      const std::int64_t k_count = std::min(k_block, p.out_features - k);
      T* panel = lease.get();
      for (std::int64_t i = begin; i < end; i += tile_cols<T>, panel += k_count * tile_cols<T>)
        gemm::pack(weight + k * p.in_features, p.in_features, i, p.in_features, k_count, panel);
      for (std::int64_t n = 0; n < p.n; n += tile_rows) {
        const int rows = static_cast<int>(std::min<std::int64_t>(tile_rows, p.n - n));
        gemm::RowPointers<T> a;
        for (int r = 0; r < tile_rows; ++r)
          a.rows[r] = grad_y + (n + std::min(r, rows - 1)) * p.out_features + k;
        panel = lease.get();
        for (std::int64_t i = begin; i < end; i += tile_cols<T>, panel += k_count * tile_cols<T>) {
          Place<T> place(grad_x + n * p.in_features + i, p.in_features, rows,
                         static_cast<int>(std::min<std::int64_t>(tile_cols<T>, end - i)));
          Tile<T> tile;
          if (k == 0)
            tile.clear();
          else
            place.load_to(tile);
          tile.multiply_add(a, panel, k_count);
          place.store_from(tile);
        }
      }
    }
  });
}

template <class T>
void backward_weights(Exec& exec, const LinearParams& p, const T* x, const T* grad_y,
                      T* grad_weight) {
  constexpr std::int64_t k_block = 256;  // of the batch
  constexpr std::int64_t chunk_rows = 16 * tile_rows;
  const std::int64_t chunk_columns = 32 * tile_cols<T>;
  const std::int64_t row_blocks = divide_up(p.out_features, tile_rows);
  const std::int64_t panel_count = divide_up(p.in_features, tile_cols<T>);
  T* a = exec.workspace.allocate_array<T>(row_blocks * tile_rows * p.n);
  T* b = exec.workspace.allocate_array<T>(panel_count * tile_cols<T> * p.n);
  parallel_for(row_blocks, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      gemm::pack_rows(grad_y, p.out_features, i * tile_rows, p.out_features, p.n,
                      a + i * tile_rows * p.n);
  });
  parallel_for(panel_count, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t j = begin; j < end; ++j)
      gemm::pack(x, p.in_features, j * tile_cols<T>, p.in_features, p.n,
                 b + j * tile_cols<T> * p.n);
  });
  const std::int64_t column_chunks = divide_up(p.in_features, chunk_columns);
  parallel_chunks(divide_up(p.out_features, chunk_rows) * column_chunks, [&](std::int64_t chunk) {
    const std::int64_t first_row = chunk / column_chunks * chunk_rows;
    const std::int64_t last_row = std::min(p.out_features, first_row + chunk_rows);
    const std::int64_t first_column = chunk % column_chunks * chunk_columns;
    const std::int64_t last_column = std::min(p.in_features, first_column + chunk_columns);
    for (std::int64_t k = 0; k < p.n; k += k_block)
      for (std::int64_t o = first_row; o < last_row; o += tile_rows)
        for (std::int64_t i = first_column; i < last_column; i += tile_cols<T>) {
          Place<T> place(grad_weight + o * p.in_features + i, p.in_features,
                         static_cast<int>(std::min<std::int64_t>(tile_rows, last_row - o)),
                         static_cast<int>(std::min<std::int64_t>(tile_cols<T>, last_column - i)));
          Tile<T> tile;
          if (k == 0)
            tile.clear();
          else
            place.load_to(tile);
          tile.multiply_add(gemm::PackedRows<T>{a + o * p.n + k * tile_rows},
                            b + i * p.n + k * tile_cols<T>, std::min(k_block, p.n - k));
          place.store_from(tile);
        }
  });
}

}  // namespace

extern const LinearRow linear_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const LinearParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), weight.as<T>(), bias ? bias.as<T>() : nullptr, y.as<T>());
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
