#pragma once
/// The matrix product of the handwritten kernels on tensor cores: C (row, column) =
/// Σ_k A(row, k) B(column, k), for operands (operand.h) of bf16, or of f32 that is rounded to TF32
/// on the way into a product. Sums are f32.
///
/// A block of threads computes one tile of C, a warp a part of it, as fragments in registers
/// (kernels/simt/mma.h). Tiles of A and B pass through a ring of stages in shared memory: while one
/// is multiplied, cp.async brings the next ones. A tile in shared memory runs the way its operand's
/// packs do, along the depth or along rows, so that both arrive in pieces of 16 bytes; what is
/// transposed is transposed on the way into the fragments.

#include "kernels/gemm/operand.h"
#include "kernels/gemm/slices.h"

namespace duet::tensor_gemm {

using namespace device_gemm;

inline constexpr int stages = 4;

/// How a block shares out a tile of rows_ × columns_ among warp_rows × warp_columns warps.
template <class T_, int rows_, int columns_, int warp_rows_, int warp_columns_>
struct Tiling {
  using T = T_;
  static constexpr int rows = rows_, columns = columns_;
  static constexpr int warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr int threads = 32 * warp_rows * warp_columns;
  /// 64 bytes: the depth of two fragments.
  static constexpr int depth = 64 / sizeof(T), fragment_depth = depth / 2;
  /// A warp's fragments: 16 rows of A each, 16 rows of B (columns of C) each.
  static constexpr int row_fragments = rows / (16 * warp_rows);
  static constexpr int column_fragments = columns / (16 * warp_columns);
  static_assert(row_fragments * 16 * warp_rows == rows);
  static_assert(column_fragments * 16 * warp_columns == columns);
  /// Registers are limited so that a multiprocessor holds 16 warps; 12 of those that need more: for
  /// 64 sums a thread and six packs of the next tiles, or for elements that are found one by one.
  static constexpr int resident_blocks(bool packs) {
    return threads == 128 && (rows * columns / threads == 64 || !packs) ? 3 : 512 / threads;
  }
};

/// A tile of `size` rows in shared memory, and how a warp takes fragments out of it. What lanes
/// write or read together is on different banks: the four pieces of 16 bytes in a row along the
/// depth change places from one pair of rows, 128 bytes, to the next; what runs along rows is
/// padded.
template <class T, int size, int depth, bool along_depth>
struct Tile {
  static constexpr int pitch = along_depth ? depth : size + 8;
  static constexpr int elements = pitch * (along_depth ? size : depth);
  static_assert(depth == 4 * full_width<T>);

  /// Of the piece that begins at k.
  __device__ static __forceinline__ int offset(int row, int k) {
    if constexpr (along_depth)
      return row * pitch + (k / full_width<T> ^ row / 2 % 4) * full_width<T>;
    else
      return k * pitch + row;
  }

  /// Of rows row … row + 15 and the 32 bytes of depth from k, in quarters of 8 rows × 16 bytes: the
  /// registers of A's fragment or, with `pairs`, where the rows are B's columns, b0 and b1 of the
  /// first eight, then of the last eight: side by side, as a product needs them.
  template <bool pairs>
  __device__ static __forceinline__ void load(unsigned (&r)[4], const T* tile, int row, int k) {
    const int lane = static_cast<int>(threadIdx.x) % 32, i = lane / 8, j = lane % 8;
    // The quarter of register i.
    const auto down = [](int i) { return 8 * (pairs ? i / 2 : i % 2); };
    const auto deeper = [](int i) { return pairs ? i % 2 : i / 2; };
    if constexpr (along_depth) {
      simt::ldmatrix_x4(r, tile + offset(row + down(i) + j, k + deeper(i) * full_width<T>));
    } else if constexpr (std::is_same_v<T, bf16>) {
      simt::ldmatrix_x4_trans(r, tile + offset(row + down(i), k + deeper(i) * 8 + j));
    } else {
#pragma unroll
      for (int n = 0; n < 4; ++n)
        r[n] =
            __float_as_uint(tile[offset(row + down(n) + lane / 4, k + deeper(n) * 4 + lane % 4)]);
    }
    if constexpr (std::is_same_v<T, float>)
#pragma unroll
      for (unsigned& word : r) word = simt::to_tf32(__uint_as_float(word));
  }
};

/// A thread's share in moving one operand's tile from global to shared memory, 16 bytes at a time.
template <class Tiling, class Operand, int size>
struct Loader {
  using T = typename Tiling::T;
  static constexpr int width = full_width<T>;
  static constexpr bool along_depth = Operand::along_depth;
  using Share = Walk<Operand, Tiling::threads, size, Tiling::depth, width>;
  using Target = Tile<T, size, Tiling::depth, along_depth>;
  Share share;
  int first_row;

  __device__ __forceinline__ Loader(const Operand& operand, int row, int k)
      : share(operand, row, k), first_row(row) {}

  /// Sends the tile at hand on its way and moves on to the next.
  __device__ __forceinline__ void fetch(const Operand& operand, T* tile) {
#pragma unroll
    for (int i = 0; i < Share::packs; ++i) {
      const auto [row, k] = Share::position(i);
      T* const to = tile + Target::offset(row, k);
      if constexpr (Operand::width == width) {
        const T* from = operand.find(share.place(i), share.step(i));
        simt::cp_async16(to, from ? from : operand.data, from != nullptr);
      } else {
        // Single elements, which cp.async does not move.
        auto step = share.step(i);
        Pack<T, width> pack;
        for (int j = 0; j < width; ++j) {
          const T* from = along_depth ? operand.find(share.place(i), step)
                                      : operand.find(operand.place(first_row + row + j), step);
          pack.v[j] = from ? *from : T(0.0f);
          if (along_depth) operand.advance(step, 1);
        }
        *reinterpret_cast<Pack<T, width>*>(to) = pack;
      }
    }
    share.advance(operand);
  }
};

template <class Tiling, class A, class B>
struct Shared {
  using T = typename Tiling::T;
  using TileA = typename Loader<Tiling, A, Tiling::rows>::Target;
  using TileB = typename Loader<Tiling, B, Tiling::columns>::Target;
  static constexpr int stage = TileA::elements + TileB::elements;
  static constexpr std::size_t bytes = stages * stage * sizeof(T);
};

__device__ __forceinline__ void multiply_add(bf16, float (&d)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
  simt::mma_m16n8k16_bf16(d, a, b);
}
__device__ __forceinline__ void multiply_add(float, float (&d)[4], const unsigned (&a)[4],
                                             const unsigned (&b)[2]) {
  simt::mma_m16n8k8_tf32(d, a, b);
}

/// Four neighbours of a row of which `there` are within it, all of them with `whole`.
template <class T>
__device__ __forceinline__ void store_quad(T* to, const simt::Packet<float, 4>& quad, int there,
                                           bool whole) {
  if (whole) return simt::store<4>(to, quad);
#pragma unroll
  for (int v = 0; v < 4; ++v)
    if (v < there) to[v] = static_cast<T>(quad.at[v]);
}

/// blockIdx.x counts the tiles, those of the same rows side by side, blockIdx.y slices of `slice`
/// of the depth, whose sums go to `sums` where that is not null. `quads`: whether four neighbours
/// can be stored at once.
template <class Tiling, class A, class B, class T = typename Tiling::T>
__global__ void __launch_bounds__(Tiling::threads,
                                  Tiling::resident_blocks(A::width > 1 && B::width > 1))
    multiply_kernel(const A a, const B b, const Output<T> out, float* sums, bool quads, int depth,
                    int slice) {
  using Shared = tensor_gemm::Shared<Tiling, A, B>;
  using TileA = typename Shared::TileA;
  using TileB = typename Shared::TileB;
  SIMT_DYNAMIC_SHARED(T, shared);
  const auto a_tile = [&](int round) { return shared + round % stages * Shared::stage; };
  const auto b_tile = [&](int round) { return a_tile(round) + TileA::elements; };

  const int tile = static_cast<int>(blockIdx.x), split = static_cast<int>(blockIdx.y);
  const int tiles_across = (out.columns + Tiling::columns - 1) / Tiling::columns;
  const int first_row = tile / tiles_across * Tiling::rows;
  const int first_column = tile % tiles_across * Tiling::columns;
  const int first_k = split * slice;
  const int rounds = (min(slice, depth - first_k) + Tiling::depth - 1) / Tiling::depth;

  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int warp_row = warp / Tiling::warp_columns * (Tiling::rows / Tiling::warp_rows);
  const int warp_column = warp % Tiling::warp_columns * (Tiling::columns / Tiling::warp_columns);

  Loader<Tiling, A, Tiling::rows> a_loader(a, first_row, first_k);
  Loader<Tiling, B, Tiling::columns> b_loader(b, first_column, first_k);
  const auto fetch = [&](int round) {
    if (round < rounds) {
      a_loader.fetch(a, a_tile(round));
      b_loader.fetch(b, b_tile(round));
    }
    simt::cp_async_commit();  // an empty group past the end, so that the count is the same
  };
  for (int round = 0; round < stages - 1; ++round) fetch(round);

  float d[Tiling::row_fragments][2 * Tiling::column_fragments][4] = {};
  for (int round = 0; round < rounds; ++round) {
    simt::cp_async_wait<stages - 2>();
    // After it, everyone's part of this round's tiles is there, and the round before, whose stage
    // the next tiles go to, is multiplied.
    __syncthreads();
    fetch(round + stages - 1);
#pragma unroll
    for (int k = 0; k < Tiling::depth; k += Tiling::fragment_depth) {
      unsigned left[Tiling::row_fragments][4];
#pragma unroll
      for (int i = 0; i < Tiling::row_fragments; ++i)
        TileA::template load<false>(left[i], a_tile(round), warp_row + 16 * i, k);
#pragma unroll
      for (int j = 0; j < Tiling::column_fragments; ++j) {
        unsigned right[4];
        TileB::template load<true>(right, b_tile(round), warp_column + 16 * j, k);
        const unsigned first[2] = {right[0], right[1]}, last[2] = {right[2], right[3]};
#pragma unroll
        for (int i = 0; i < Tiling::row_fragments; ++i) {
          multiply_add(T(0.0f), d[i][2 * j], left[i], first);
          multiply_add(T(0.0f), d[i][2 * j + 1], left[i], last);
        }
      }
    }
  }

  // A lane has two neighbours of each eight columns. It changes one pair with the lane beside it,
  // and has four of every other eight.
  const int odd = lane % 2;
  const std::int64_t slice_offset = static_cast<std::int64_t>(split) * out.rows * out.columns;
#pragma unroll
  for (int i = 0; i < Tiling::row_fragments; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int r = first_row + warp_row + 16 * i + 8 * half + lane / 4;
#pragma unroll
      for (int j = 0; j < Tiling::column_fragments; ++j) {
        simt::Packet<float, 4> quad;
#pragma unroll
        for (int v = 0; v < 2; ++v) {
          const float near = d[i][2 * j][2 * half + v], far = d[i][2 * j + 1][2 * half + v];
          const float other = __shfl_xor_sync(0xffffffffu, odd ? near : far, 1);
          quad.at[v] = odd ? other : near;
          quad.at[2 + v] = odd ? far : other;
        }
        const int c = first_column + warp_column + 16 * j + 8 * odd + lane % 4 / 2 * 4;
        if (r >= out.rows || c >= out.columns) continue;
        const std::int64_t at = static_cast<std::int64_t>(r) * out.columns + c;
        const int there = out.columns - c;
        if (sums) {
          store_quad(sums + slice_offset + at, quad, there, quads);
        } else {
#pragma unroll
          for (int v = 0; v < 4; ++v)
            if (v < there) quad.at[v] = out.epilogue(quad.at[v], c + v);
          store_quad(out.data + at, quad, there, quads);
        }
      }
    }
}

/// c (rows, columns) = epilogue(A Bᵀ) with A (rows, depth) and B (columns, depth).
template <class Tiling, class A, class B, class T = typename Tiling::T>
void multiply_tiled(Exec& exec, const A& a, const B& b, const Epilogue<T>& epilogue, T* c, int rows,
                    int columns, int depth) {
  const std::int64_t tiles = tile_count<Tiling>(rows, columns);
  const Slices slices(tiles, depth, Tiling::depth);
  const Output<T> out{c, rows, columns, epilogue};
  with_slices(exec, slices, out, 1, [&](float* sums) {
    const bool quads = columns % 4 == 0 && (sums || simt::is_packed<4>(c));
    simt::launch(exec.stream, multiply_kernel<Tiling, A, B>,
                 dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(slices.count)),
                 Tiling::threads, Shared<Tiling, A, B>::bytes, a, b, out, sums, quads, depth,
                 slices.length);
  });
}

/// The same in the tiles that suit the sizes: up to 32 rows, as a linear layer's batch has, leave
/// reading the columns as the cost; otherwise the first that pay, in which a warp multiplies more
/// with what it reads from shared memory than in the last.
template <class T, class A, class B>
void multiply(Exec& exec, const A& a, const B& b, const Epilogue<T>& epilogue, T* c, int rows,
              int columns, int depth) {
  if (rows == 0 || columns == 0) return;
  const auto in = [&](auto tiling) {
    multiply_tiled<decltype(tiling)>(exec, a, b, epilogue, c, rows, columns, depth);
  };
  if constexpr (A::width > 1 && B::width > 1) {
    if (rows <= 32) return in(Tiling<T, 32, 128, 1, 4>());
    if (with_tiling_that_pays<Tiling<T, 128, 128, 2, 4>, Tiling<T, 128, 64, 2, 2>,
                              Tiling<T, 64, 128, 2, 2>>(rows, columns, depth, 1, in))
      return;
  }
  in(Tiling<T, 64, 64, 2, 2>());
}

/// `multiply` for the operands of an op's direction, which are all that it lacks.
template <class T>
auto multiplier(Exec& exec, Epilogue<T> epilogue = {}) {
  return [&exec, epilogue](const auto& a, const auto& b, T* c, int rows, int columns, int depth) {
    multiply<T>(exec, a, b, epilogue, c, rows, columns, depth);
  };
}

/// Which calls the rows on tensor cores take.
inline Support takes(DType dtype, bool tf32) {
  if (dtype == DType::bf16 || (dtype == DType::f32 && tf32)) return Support::yes();
  if (dtype == DType::f32) return Support::no("takes f32 only where it may be rounded to TF32");
  return Support::no(fmt::format("takes bf16 and f32, not {}", to_string(dtype)));
}

/// Calls `f` with a value of the element type, bf16 or float.
template <class F>
void dispatch(DType dtype, F&& f) {
  if (dtype == DType::bf16)
    f(bf16(0.0f));
  else
    f(0.0f);
}

}  // namespace duet::tensor_gemm
