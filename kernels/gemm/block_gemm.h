#pragma once
/// The matrix product of the handwritten kernels in f32 and f64: C (row, column) =
/// Σ_k A(row, k) B(column, k), for operands of any shape (operand.h).
///
/// A block of threads computes one tile of C, a thread a small matrix of it in registers. Tiles of
/// A and B pass through shared memory in two stages: while one is multiplied, the next is on its
/// way from global memory into registers.

#include "kernels/gemm/operand.h"
#include "kernels/gemm/slices.h"

namespace duet::block_gemm {

using namespace device_gemm;

/// How a block shares out a tile of rows_ × columns_, `depth_` deep: among warp_rows × warp_columns
/// warps, in each of which the lanes stand 4 × 8. A thread has packs of rows and of columns, as far
/// apart as its warp's lanes need for theirs: then neighbours read neighbouring shared memory.
template <class T_, int rows_, int columns_, int depth_, int warp_rows_, int warp_columns_>
struct Tiling {
  using T = T_;
  static constexpr int rows = rows_, columns = columns_, depth = depth_;
  static constexpr int warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr int threads = 32 * warp_rows * warp_columns;
  static constexpr int width = full_width<T>;
  static constexpr int row_stride = 4 * width, column_stride = 8 * width;
  static constexpr int row_packs = rows / (warp_rows * row_stride);
  static constexpr int column_packs = columns / (warp_columns * column_stride);
  static_assert(row_packs * warp_rows * row_stride == rows);
  static_assert(column_packs * warp_columns * column_stride == columns);
  /// In f32, registers are limited so that a multiprocessor holds 16 warps, or 12 of those that
  /// have 64 sums a thread and more packs of the next tiles than 256 threads would; an f64 takes
  /// two.
  static constexpr bool many_registers = rows * columns / threads == 64 && threads < 256;
  static constexpr int resident_blocks =
      std::is_same_v<T, float> ? (many_registers ? 384 : 512) / threads : 1;
  /// Keeps the rows of a tile in shared memory 16 bytes aligned and off each other's banks.
  static constexpr int padding = 4;
};

/// A thread's share in moving one operand's tile from global to shared memory.
template <class Tiling, class Operand, int rows>
struct Loader {
  using T = typename Tiling::T;
  static constexpr int width = Operand::width, depth = Tiling::depth;
  using Share = Walk<Operand, Tiling::threads, rows, depth, width>;
  Share share;
  Pack<T, width> values[Share::packs];

  __device__ __forceinline__ Loader(const Operand& operand, int first_row, int first_k)
      : share(operand, first_row, first_k) {}

  /// Reads the tile at hand and moves on to the next.
  __device__ __forceinline__ void fetch(const Operand& operand) {
#pragma unroll
    for (int i = 0; i < Share::packs; ++i)
      values[i] = load_pack<width>(operand.find(share.place(i), share.step(i)));
    share.advance(operand);
  }

  __device__ __forceinline__ void store(T (&tile)[depth][rows + Tiling::padding]) const {
#pragma unroll
    for (int i = 0; i < Share::packs; ++i) {
      const auto [row, k] = Share::position(i);
      if constexpr (Operand::along_depth) {
#pragma unroll
        for (int j = 0; j < width; ++j) tile[k + j][row] = values[i].v[j];
      } else {
        *reinterpret_cast<Pack<T, width>*>(&tile[k][row]) = values[i];
      }
    }
  }
};

/// blockIdx.x counts the tiles, those of the same rows side by side: what they read of A is then
/// shared in the L2 cache. blockIdx.y counts slices of `slice` of the depth, blockIdx.z products.
template <class Tiling, class A, class B, class T = typename Tiling::T>
__global__ void __launch_bounds__(Tiling::threads, Tiling::resident_blocks)
    multiply_kernel(const A all_a, const B all_b, const Output<T> out, bool full_packs, int depth,
                    int slice) {
  constexpr int width = Tiling::width;
  SIMT_SHARED(a_tile, T[2][Tiling::depth][Tiling::rows + Tiling::padding]);
  SIMT_SHARED(b_tile, T[2][Tiling::depth][Tiling::columns + Tiling::padding]);

  const int tile = static_cast<int>(blockIdx.x), split = static_cast<int>(blockIdx.y);
  const int index = static_cast<int>(blockIdx.z);
  const auto& a = in_batch(all_a, index);
  const auto& b = in_batch(all_b, index);
  const int tiles_across = (out.columns + Tiling::columns - 1) / Tiling::columns;
  const int first_row = tile / tiles_across * Tiling::rows;
  const int first_column = tile % tiles_across * Tiling::columns;
  const int first_k = split * slice;
  const int rounds = (min(slice, depth - first_k) + Tiling::depth - 1) / Tiling::depth;

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row =
      warp / Tiling::warp_columns * (Tiling::rows / Tiling::warp_rows) + lane / 8 * width;
  const int column =
      warp % Tiling::warp_columns * (Tiling::columns / Tiling::warp_columns) + lane % 8 * width;

  using LoaderA = Loader<Tiling, std::remove_cvref_t<decltype(a)>, Tiling::rows>;
  using LoaderB = Loader<Tiling, std::remove_cvref_t<decltype(b)>, Tiling::columns>;
  LoaderA a_loader(a, first_row, first_k);
  LoaderB b_loader(b, first_column, first_k);
  a_loader.fetch(a);
  b_loader.fetch(b);
  a_loader.store(a_tile[0]);
  b_loader.store(b_tile[0]);
  __syncthreads();

  T sums[Tiling::row_packs * width][Tiling::column_packs * width] = {};
  for (int round = 0; round < rounds; ++round) {
    const int stage = round % 2;
    const bool more = round + 1 < rounds;
    if (more) {
      a_loader.fetch(a);
      b_loader.fetch(b);
    }
#pragma unroll 4
    for (int k = 0; k < Tiling::depth; ++k) {
      Pack<T, width> left[Tiling::row_packs], right[Tiling::column_packs];
#pragma unroll
      for (int i = 0; i < Tiling::row_packs; ++i)
        left[i] = *reinterpret_cast<const Pack<T, width>*>(
            &a_tile[stage][k][row + i * Tiling::row_stride]);
#pragma unroll
      for (int j = 0; j < Tiling::column_packs; ++j)
        right[j] = *reinterpret_cast<const Pack<T, width>*>(
            &b_tile[stage][k][column + j * Tiling::column_stride]);
#pragma unroll
      for (int i = 0; i < Tiling::row_packs * width; ++i)
#pragma unroll
        for (int j = 0; j < Tiling::column_packs * width; ++j)
          sums[i][j] += left[i / width].v[i % width] * right[j / width].v[j % width];
    }
    if (more) {
      // Whoever read this stage has passed the barrier of the round before.
      a_loader.store(a_tile[stage ^ 1]);
      b_loader.store(b_tile[stage ^ 1]);
      __syncthreads();
    }
  }

  T* to =
      out.data + (static_cast<std::int64_t>(split) * gridDim.z + index) * out.rows * out.columns;
#pragma unroll
  for (int i = 0; i < Tiling::row_packs * width; ++i) {
    const int r = first_row + row + i / width * Tiling::row_stride + i % width;
    if (r >= out.rows) continue;
#pragma unroll
    for (int j = 0; j < Tiling::column_packs; ++j) {
      const int c = first_column + column + j * Tiling::column_stride;
      Pack<T, width> pack;
#pragma unroll
      for (int l = 0; l < width; ++l) {
        pack.v[l] = sums[i][j * width + l];
        if (c + l < out.columns) pack.v[l] = out.epilogue(pack.v[l], c + l);
      }
      T* place = to + static_cast<std::int64_t>(r) * out.columns + c;
      if (full_packs) {
        if (c < out.columns) *reinterpret_cast<Pack<T, width>*>(place) = pack;
      } else {
#pragma unroll
        for (int l = 0; l < width; ++l)
          if (c + l < out.columns) place[l] = pack.v[l];
      }
    }
  }
}

/// c (rows, columns) = epilogue(A Bᵀ) with A (rows, depth) and B (columns, depth); or `batch` such
/// products, which lie one after the other in c, where A and B are a Batch or the same for all.
template <class Tiling, class A, class B, class T = typename Tiling::T>
void multiply_tiled(Exec& exec, const A& a, const B& b, const Epilogue<T>& epilogue, T* c, int rows,
                    int columns, int depth, int batch = 1) {
  if (rows == 0 || columns == 0) return;
  const std::int64_t tiles = tile_count<Tiling>(rows, columns);
  const Slices slices(tiles * batch, depth, Tiling::depth);
  const Output<T> out{c, rows, columns, epilogue};
  with_slices(exec, slices, out, batch, [&](T* sums) {
    const Output<T> to = sums ? Output<T>{sums, rows, columns, {}} : out;
    simt::launch(exec.stream, multiply_kernel<Tiling, A, B>,
                 dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(slices.count),
                      static_cast<unsigned>(batch)),
                 Tiling::threads, 0, a, b, to, takes_full_packs(to.data, columns), depth,
                 slices.length);
  });
}

/// The same in the tiles that suit the sizes: of those that pay, the first, in which a thread has 8
/// × 8 sums, twice as many as in the last for what it reads from shared memory.
template <class T, class A, class B>
void multiply(Exec& exec, const A& a, const B& b, const Epilogue<T>& epilogue, T* c, int rows,
              int columns, int depth, int batch = 1) {
  const auto in = [&](auto tiling) {
    multiply_tiled<decltype(tiling)>(exec, a, b, epilogue, c, rows, columns, depth, batch);
  };
  if constexpr (std::is_same_v<T, float> && A::width == 4 && B::width == 4) {
    if (with_tiling_that_pays<Tiling<T, 128, 128, 8, 4, 2>, Tiling<T, 128, 64, 8, 4, 1>,
                              Tiling<T, 64, 128, 8, 2, 2>, Tiling<T, 64, 64, 8, 2, 1>>(
            rows, columns, depth, batch, in))
      return;
  }
  in(Tiling<T, 64, 64, 8, 2, 2>());
}

}  // namespace duet::block_gemm
