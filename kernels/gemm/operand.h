#pragma once
/// The operands of the handwritten CUDA matrix products (block_gemm.h, tensor_gemm.h),
/// C (row, column) = Σ_k A(row, k) B(column, k): anything that can say what stands at a row and a
/// depth k. An operand is a struct that is copied to the device, with
///   using Element = …;
///   static constexpr int width;          // elements of a pack: what is loaded at once
///   static constexpr bool along_depth;   // whether a pack runs along the depth or along rows
///   struct Place; Place place(int row) const;      // what a row contributes to an address
///   struct Step;  Step start(int k) const;         // what a depth contributes
///   void advance(Step&, int by) const;             // from k to k + by
///   const Element* find(const Place&, const Step&) const;  // of a pack; null where it is zeros,
///                                                          // as beyond the operand's ends
/// Packs are whole: `width` divides the operand's size in their direction.

#include <cstdint>
#include <type_traits>

#include "kernels/simt/simt.h"

namespace duet::device_gemm {

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

/// Zeros from null.
template <int width, class T>
__device__ __forceinline__ Pack<T, width> load_pack(const T* from) {
  Pack<T, width> pack{};
  if (from) pack = *reinterpret_cast<const Pack<T, width>*>(from);
  return pack;
}

/// A matrix (rows, depth), each row contiguous.
template <class T, int width_>
struct MatrixByRows {
  using Element = T;
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
  __device__ const T* find(const Place& place, const Step& step) const {
    return place.row && step.k < depth ? place.row + step.k : nullptr;
  }
};

/// A matrix that is stored as (depth, rows), the rows of one depth contiguous.
template <class T, int width_>
struct MatrixByDepth {
  using Element = T;
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
  __device__ const T* find(const Place& place, const Step& step) const {
    return place.row < rows && step.k < depth
               ? data + static_cast<std::int64_t>(step.k) * rows + place.row
               : nullptr;
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

/// A thread's share in an operand's tile of `rows` × `depth`, as `threads` of them walk along the
/// depth: packs of `width`, side by side first.
template <class Operand, int threads, int rows, int depth, int width>
struct Walk {
  static constexpr bool along_depth = Operand::along_depth;
  static constexpr int side_by_side = (along_depth ? depth : rows) / width;
  /// How far apart a thread's packs are in the other direction.
  static constexpr int stride = threads / side_by_side;
  static constexpr int packs = rows * depth / (width * threads);
  static_assert(stride * side_by_side == threads);
  static_assert(packs * width * threads == rows * depth);

  typename Operand::Place places[along_depth ? packs : 1];
  typename Operand::Step steps[along_depth ? 1 : packs];

  struct Position {
    int row, k;
  };
  /// Where in the tile this thread's pack i begins.
  __device__ static __forceinline__ Position position(int i) {
    const int near = static_cast<int>(threadIdx.x) % side_by_side * width;
    const int far = static_cast<int>(threadIdx.x) / side_by_side + i * stride;
    return along_depth ? Position{far, near} : Position{near, far};
  }

  __device__ __forceinline__ Walk(const Operand& operand, int first_row, int first_k) {
#pragma unroll
    for (int i = 0; i < (along_depth ? packs : 1); ++i)
      places[i] = operand.place(first_row + position(i).row);
#pragma unroll
    for (int i = 0; i < (along_depth ? 1 : packs); ++i)
      steps[i] = operand.start(first_k + position(i).k);
  }

  __device__ __forceinline__ const auto& place(int i) const { return places[along_depth ? i : 0]; }
  __device__ __forceinline__ const auto& step(int i) const { return steps[along_depth ? 0 : i]; }

  /// To the next tile.
  __device__ __forceinline__ void advance(const Operand& operand) {
#pragma unroll
    for (int i = 0; i < (along_depth ? 1 : packs); ++i) operand.advance(steps[i], depth);
  }
};

}  // namespace duet::device_gemm
