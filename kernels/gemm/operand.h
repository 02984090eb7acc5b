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

}  // namespace duet::device_gemm
