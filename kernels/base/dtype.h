#pragma once
/// Element types.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/base/bf16.h"
#include "kernels/base/error.h"

namespace duet {

enum class DType : std::uint8_t { f32, f64, bf16, i32, u8 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::f64: return 8;
    case DType::bf16: return 2;
    case DType::i32: return 4;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::f32: return "f32";
    case DType::f64: return "f64";
    case DType::bf16: return "bf16";
    case DType::i32: return "i32";
    case DType::u8: return "u8";
  }
  return "?";
}

/// The types that sums are carried in; bf16 is none of them.
constexpr bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }
/// The types of real numbers, bf16 too.
constexpr bool is_real(DType dtype) { return is_floating(dtype) || dtype == DType::bf16; }

/// The type that elements are computed with, and their sums and statistics kept in: f32 for bf16,
/// else their own (`Wide<T>`).
constexpr DType wide(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

/// The DType of a C++ element type: `dtype_of<float> == DType::f32`.
template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(sizeof(T) == 0, "no DType for this element type");
  return DType::f32;
}();
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;
template <>
inline constexpr DType dtype_of<bf16> = DType::bf16;
template <>
inline constexpr DType dtype_of<std::int32_t> = DType::i32;
template <>
inline constexpr DType dtype_of<std::uint8_t> = DType::u8;

/// Calls `f` with a value of the floating element type that `dtype` names:
/// `dispatch_floating(x.dtype, [&](auto zero) { using T = decltype(zero); … });`
template <class F>
decltype(auto) dispatch_floating(DType dtype, F&& f) {
  if (dtype == DType::f32) return f(float{});
  if (dtype == DType::f64) return f(double{});
  fail("[dtype] a floating type is needed, got {}", to_string(dtype));
}

/// The same for kernels that store real numbers of any type, and compute with `Wide<T>`.
template <class F>
decltype(auto) dispatch_real(DType dtype, F&& f) {
  if (dtype == DType::bf16) return f(bf16{});
  return dispatch_floating(dtype, std::forward<F>(f));
}

}  // namespace duet
