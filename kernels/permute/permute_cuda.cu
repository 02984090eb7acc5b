#include "kernels/permute/permute.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

/// The dimensions of y with their strides in x, those of extent 1 left out, and neighbours in y
/// that are neighbours in x too made one.
struct Dimensions {
  int rank = 0;
  std::int64_t extents[Shape::max_rank], strides[Shape::max_rank];

  explicit Dimensions(const PermuteParams& p) {
    std::int64_t x_strides[Shape::max_rank], stride = 1;
    for (int d = p.x_shape.rank() - 1; d >= 0; --d) {
      x_strides[d] = stride;
      stride *= p.x_shape[d];
    }
    for (const int axis : p.axes) {
      const std::int64_t extent = p.x_shape[axis];
      if (extent == 1) continue;
      if (rank > 0 && strides[rank - 1] == x_strides[axis] * extent) {
        extents[rank - 1] *= extent;
        strides[rank - 1] = x_strides[axis];
        continue;
      }
      extents[rank] = extent;
      strides[rank] = x_strides[axis];
      ++rank;
    }
  }

  /// Whether y holds the transposes of the matrices in x: their number is then the first extent,
  /// or 1 where there are two dimensions only.
  bool is_transpose() const {
    return (rank == 2 && strides[0] == 1) ||
           (rank == 3 && strides[0] == extents[1] * extents[2] && strides[1] == 1);
  }
};

// ---- Transposes, by tiles in shared memory: both sides are read and written in whole lines.

constexpr int tile_side = 32, tile_rows = 8;

/// x: `count` matrices (rows, columns) → y: (columns, rows) each.
template <class T>
__global__ void __launch_bounds__(tile_side* tile_rows)
    transpose(std::int64_t rows, std::int64_t columns, const T* x, T* y) {
  SIMT_SHARED(tile, T[tile_side][tile_side + 1]);  // one more, so that a column is in all banks
  const auto down = static_cast<unsigned>((rows + tile_side - 1) / tile_side);
  const auto across = static_cast<unsigned>((columns + tile_side - 1) / tile_side);
  const std::int64_t matrix = blockIdx.x / (down * across);
  const unsigned in_matrix = blockIdx.x % (down * across);
  const std::int64_t row = std::int64_t{in_matrix / across} * tile_side;
  const std::int64_t column = std::int64_t{in_matrix % across} * tile_side;
  const T* from = x + matrix * rows * columns;
  T* to = y + matrix * rows * columns;
  const int tx = threadIdx.x;
  for (int k = threadIdx.y; k < tile_side; k += tile_rows)
    if (row + k < rows && column + tx < columns)
      tile[k][tx] = from[(row + k) * columns + column + tx];
  __syncthreads();
  for (int k = threadIdx.y; k < tile_side; k += tile_rows)
    if (column + k < columns && row + tx < rows) to[(column + k) * rows + row + tx] = tile[tx][k];
}

// ---- All others, element by element

constexpr int block_threads = 256;

template <class T>
__global__ void gather(std::int64_t count, Dimensions dimensions, const T* x, T* y) {
  const std::int64_t i = blockIdx.x * std::int64_t{block_threads} + threadIdx.x;
  if (i >= count) return;
  std::int64_t rest = i, from = 0;
#pragma unroll
  for (int d = Shape::max_rank - 1; d >= 0; --d) {
    if (d >= dimensions.rank) continue;
    from += rest % dimensions.extents[d] * dimensions.strides[d];
    rest /= dimensions.extents[d];
  }
  y[i] = x[from];
}

template <class T>
void permute(Exec& exec, const PermuteParams& p, const T* x, T* y) {
  const std::int64_t count = p.x_shape.numel();
  if (count == 0) return;
  const Dimensions dimensions(p);
  if (dimensions.is_transpose()) {
    const std::int64_t columns = dimensions.extents[dimensions.rank - 2];
    const std::int64_t rows = dimensions.extents[dimensions.rank - 1];
    const std::int64_t tiles =
        std::int64_t{simt::blocks_for(rows, tile_side)} * simt::blocks_for(columns, tile_side);
    simt::launch(exec.stream, transpose<T>, simt::blocks_for(count / (rows * columns) * tiles, 1),
                 dim3(tile_side, tile_rows), 0, rows, columns, x, y);
  } else {
    simt::launch(exec.stream, gather<T>, simt::blocks_for(count, block_threads), block_threads, 0,
                 count, dimensions, x, y);
  }
}

}  // namespace

extern const PermuteRow permute_cuda = {
    {SIMT_ROW("tiles"), RowKind::handwritten, simt::device_type},
    [](const PermuteParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const PermuteParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        permute<T>(exec, p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
