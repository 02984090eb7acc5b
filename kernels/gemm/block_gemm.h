#pragma once
/// The matrix product of the handwritten kernels: C (row, column) = Σ_k A(row, k) B(column, k), for
/// operands of any shape that can say what stands at a row and a depth k.
///
/// A block of threads computes one tile of C, a thread a small matrix of it in registers. Tiles of
/// A and B pass through shared memory in two stages: while one is multiplied, the next is on its
/// way from global memory into registers. Where there are too few tiles to fill the device, the
/// depth is cut into slices whose sums are merged afterwards in a fixed order. How the work is cut
/// depends on the sizes alone, so that the same operands give the same bits.
///
/// An operand is a struct that is copied to the device, with
///   static constexpr int width;          // elements of a pack: what is loaded at once
///   static constexpr bool along_depth;   // whether a pack runs along the depth or along rows
///   struct Place; Place place(int row) const;      // what a row contributes to an address
///   struct Step;  Step start(int k) const;         // what a depth contributes
///   void advance(Step&, int by) const;             // from k to k + by
///   Pack<T, width> load(const Place&, const Step&) const;  // zeros beyond the operand's ends
/// Packs are whole: `width` divides the operand's size in their direction.

#include <algorithm>
#include <type_traits>

#include "kernels/base/exec.h"
#include "kernels/simt/simt.h"

namespace duet::block_gemm {

template <class T, int count>
struct alignas(count * sizeof(T)) Pack {
  T v[count];
};

/// Elements in 16 bytes.
template <class T>
inline constexpr int full_width = 16 / sizeof(T);

/// Whether packs of 16 bytes fit an array whose innermost dimension has `size` elements.
template <class T>
bool takes_full_packs(const T* data, std::int64_t size) {
  return size % full_width<T> == 0 && reinterpret_cast<std::uintptr_t>(data) % 16 == 0;
}

/// Calls `f` with the width of packs as a type: 16 bytes, or one element where those do not fit.
template <class T, class F>
void with_width(bool full_packs, F&& f) {
  if (full_packs)
    f(std::integral_constant<int, full_width<T>>());
  else
    f(std::integral_constant<int, 1>());
}

template <class T, int width>
__device__ __forceinline__ Pack<T, width> load_pack(const T* from, bool valid) {
  Pack<T, width> pack{};
  if (valid) pack = *reinterpret_cast<const Pack<T, width>*>(from);
  return pack;
}

/// A matrix (rows, depth), each row contiguous.
template <class T, int width_>
struct MatrixByRows {
  static constexpr int width = width_;
  static constexpr bool along_depth = true;
  const T* data;
  int rows, depth;

  struct Place {
    const T* row;
  };
  struct Step {
    int k;
  };
  __device__ Place place(int row) const {
    return {row < rows ? data + static_cast<std::int64_t>(row) * depth : nullptr};
  }
  __device__ Step start(int k) const { return {k}; }
  __device__ void advance(Step& step, int by) const { step.k += by; }
  __device__ Pack<T, width> load(const Place& place, const Step& step) const {
    return load_pack<T, width>(place.row + step.k, place.row && step.k < depth);
  }
};

/// A matrix that is stored as (depth, rows), the rows of one depth contiguous.
template <class T, int width_>
struct MatrixByDepth {
  static constexpr int width = width_;
  static constexpr bool along_depth = false;
  const T* data;
  int rows, depth;

  struct Place {
    int row;
  };
  struct Step {
    int k;
  };
  __device__ Place place(int row) const { return {row}; }
  __device__ Step start(int k) const { return {k}; }
  __device__ void advance(Step& step, int by) const { step.k += by; }
  __device__ Pack<T, width> load(const Place& place, const Step& step) const {
    return load_pack<T, width>(data + static_cast<std::int64_t>(step.k) * rows + place.row,
                               place.row < rows && step.k < depth);
  }
};

/// The operands of several products of the same size, `stride` elements apart.
template <class Operand>
struct Batch {
  static constexpr int width = Operand::width;
  Operand first;
  std::int64_t stride;
};

template <class Operand>
__device__ __forceinline__ const Operand& in_batch(const Operand& operand, int) {
  return operand;
}
template <class Operand>
__device__ __forceinline__ Operand in_batch(const Batch<Operand>& batch, int index) {
  Operand operand = batch.first;
  operand.data += index * batch.stride;
  return operand;
}

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
  /// In f32, registers are limited so that a multiprocessor holds 16 warps; an f64 takes two.
  static constexpr int resident_blocks = std::is_same_v<T, float> ? 512 / threads : 1;
  /// Keeps the rows of a tile in shared memory 16 bytes aligned and off each other's banks.
  static constexpr int padding = 4;
};

/// A thread's share in moving one operand's tile from global to shared memory.
template <class Tiling, class Operand, int rows>
struct Loader {
  using T = typename Tiling::T;
  static constexpr int width = Operand::width, depth = Tiling::depth;
  static constexpr bool along_depth = Operand::along_depth;
  /// Packs of a tile side by side, and how far apart in the other direction a thread's packs are.
  static constexpr int side_by_side = (along_depth ? depth : rows) / width;
  static constexpr int stride = Tiling::threads / side_by_side;
  static constexpr int packs = rows * depth / (width * Tiling::threads);
  static_assert(stride * side_by_side == Tiling::threads);
  static_assert(packs * width * Tiling::threads == rows * depth);

  typename Operand::Place places[along_depth ? packs : 1];
  typename Operand::Step steps[along_depth ? 1 : packs];
  Pack<T, width> values[packs];

  struct Position {
    int row, k;
  };
  /// Where in the tile this thread's first pack begins.
  __device__ static __forceinline__ Position first_pack() {
    const int near = static_cast<int>(threadIdx.x) % side_by_side * width;
    const int far = static_cast<int>(threadIdx.x) / side_by_side;
    return along_depth ? Position{far, near} : Position{near, far};
  }

  __device__ __forceinline__ Loader(const Operand& operand, int first_row, int first_k) {
    const int row = first_pack().row, k = first_pack().k;
#pragma unroll
    for (int i = 0; i < (along_depth ? packs : 1); ++i)
      places[i] = operand.place(first_row + row + i * stride);
#pragma unroll
    for (int i = 0; i < (along_depth ? 1 : packs); ++i)
      steps[i] = operand.start(first_k + k + i * stride);
  }

  /// Reads the tile at hand and moves on to the next.
  __device__ __forceinline__ void fetch(const Operand& operand) {
#pragma unroll
    for (int i = 0; i < packs; ++i)
      values[i] = operand.load(places[along_depth ? i : 0], steps[along_depth ? 0 : i]);
#pragma unroll
    for (int i = 0; i < (along_depth ? 1 : packs); ++i) operand.advance(steps[i], depth);
  }

  __device__ __forceinline__ void store(T (&tile)[depth][rows + Tiling::padding]) const {
    const int row = first_pack().row, k = first_pack().k;
#pragma unroll
    for (int i = 0; i < packs; ++i) {
      if constexpr (along_depth) {
#pragma unroll
        for (int j = 0; j < width; ++j) tile[k + j][row + i * stride] = values[i].v[j];
      } else {
        *reinterpret_cast<Pack<T, width>*>(&tile[k + i * stride][row]) = values[i];
      }
    }
  }
};

/// C of each product, one after the other; or so for each slice.
template <class T>
struct Output {
  T* data;
  const T* bias;  // of the columns, or null
  int rows, columns;
  bool full_packs;
};

/// blockIdx.x counts the tiles, those of the same rows side by side: what they read of A is then
/// shared in the L2 cache. blockIdx.y counts slices of `slice` of the depth, blockIdx.z products.
template <class Tiling, class A, class B, class T = typename Tiling::T>
__global__ void __launch_bounds__(Tiling::threads, Tiling::resident_blocks)
    multiply_kernel(const A all_a, const B all_b, const Output<T> out, int depth, int slice) {
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
        if (out.bias && c + l < out.columns) pack.v[l] += out.bias[c + l];
      }
      T* place = to + static_cast<std::int64_t>(r) * out.columns + c;
      if (out.full_packs) {
        if (c < out.columns) *reinterpret_cast<Pack<T, width>*>(place) = pack;
      } else {
#pragma unroll
        for (int l = 0; l < width; ++l)
          if (c + l < out.columns) place[l] = pack.v[l];
      }
    }
  }
}

inline constexpr int merge_threads = 256;

/// c = bias + Σ over the slices, in their order.
template <class T>
__global__ void __launch_bounds__(merge_threads)
    merge_kernel(const T* partial, int splits, std::int64_t size, int columns, const T* bias,
                 T* c) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * merge_threads + threadIdx.x;
  if (i >= size) return;
  T sum = partial[i];
  for (int s = 1; s < splits; ++s) sum += partial[s * size + i];
  if (bias) sum += bias[i % columns];
  c[i] = sum;
}

/// Blocks that fill a device: two for each of an H100's 132 multiprocessors.
inline constexpr std::int64_t enough_blocks = 264;
/// The shortest slice worth a place in the merge.
inline constexpr std::int64_t shortest_slice = 128;

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <class Tiling>
std::int64_t tile_count(int rows, int columns) {
  return divide_up(rows, Tiling::rows) * divide_up(columns, Tiling::columns);
}

/// c (rows, columns) = A Bᵀ + bias with A (rows, depth) and B (columns, depth); or `batch` such
/// products, which lie one after the other in c, where A and B are a Batch or the same for all.
template <class Tiling, class A, class B, class T = typename Tiling::T>
void multiply_tiled(Exec& exec, const A& a, const B& b, const T* bias, T* c, int rows, int columns,
                    int depth, int batch = 1) {
  if (rows == 0 || columns == 0) return;
  const std::int64_t tiles = tile_count<Tiling>(rows, columns);
  const std::int64_t wanted = std::clamp<std::int64_t>(
      enough_blocks / (tiles * batch), 1, std::max<std::int64_t>(depth / shortest_slice, 1));
  const std::int64_t slice =
      std::max<std::int64_t>(divide_up(divide_up(depth, wanted), Tiling::depth), 1) * Tiling::depth;
  const std::int64_t splits = std::max<std::int64_t>(divide_up(depth, slice), 1);
  const std::int64_t size = static_cast<std::int64_t>(rows) * columns * batch;
  T* to = splits > 1 ? exec.workspace.allocate_array<T>(splits * size) : c;
  const Output<T> out{to, splits > 1 ? nullptr : bias, rows, columns,
                      takes_full_packs(to, columns)};
  simt::launch(exec.stream, multiply_kernel<Tiling, A, B>,
               dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(splits),
                    static_cast<unsigned>(batch)),
               Tiling::threads, 0, a, b, out, depth, static_cast<int>(slice));
  if (splits > 1)
    simt::launch(exec.stream, merge_kernel<T>,
                 dim3(static_cast<unsigned>(divide_up(size, merge_threads))), merge_threads, 0, to,
                 static_cast<int>(splits), size, columns, bias, c);
}

/// The same in the tiles that suit the sizes.
template <class T, class A, class B>
void multiply(Exec& exec, const A& a, const B& b, const T* bias, T* c, int rows, int columns,
              int depth, int batch = 1) {
  // A thread with 8 × 8 sums does twice the work of one with 8 × 4 for what it reads from shared
  // memory. It pays where the fewer, larger tiles still give an eighth of the device work.
  if constexpr (std::is_same_v<T, float> && A::width == 4 && B::width == 4) {
    using Large = Tiling<T, 128, 128, 8, 4, 2>;
    const std::int64_t slices = std::max<std::int64_t>(depth / shortest_slice, 1);
    const std::int64_t blocks = tile_count<Large>(rows, columns) * slices * batch;
    if (rows >= 128 && columns >= 128 && blocks >= enough_blocks / 8)
      return multiply_tiled<Large>(exec, a, b, bias, c, rows, columns, depth, batch);
  }
  multiply_tiled<Tiling<T, 64, 64, 8, 2, 2>>(exec, a, b, bias, c, rows, columns, depth, batch);
}

}  // namespace duet::block_gemm
