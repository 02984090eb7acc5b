#pragma once
/// What a test needs that compares the rows of an op with its reference row in float64.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/base/philox.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"
#include "tests/test_workspace.h"

namespace duet::test {

/// A dense array of f32, f64 or bf16.
class Array {
 public:
  /// Filled with NaN: what a row leaves out shows.
  Array(Shape shape, DType dtype)
      : shape_(shape), dtype_(dtype), bytes_(shape.numel() * duet::size_of(dtype), 0xff) {}

  /// Numbers in [-1, 1) that float32 holds exactly, so that every dtype computes with the same
  /// ones.
  static Array random(Shape shape, std::uint64_t stream) {
    Array a(shape, DType::f64);
    const duet::Philox philox{42, stream};
    for (std::int64_t i = 0; i < shape.numel(); ++i)
      a.data<double>()[i] = 2.0 * philox.uniform(static_cast<std::uint64_t>(i)) - 1.0;
    return a;
  }

  Array to(DType dtype) const {
    Array a(shape_, dtype);
    for (std::int64_t i = 0; i < shape_.numel(); ++i)
      if (dtype == DType::f32)
        a.data<float>()[i] = static_cast<float>(at(i));
      else if (dtype == DType::bf16)
        a.data<duet::bf16>()[i] = duet::bf16(static_cast<float>(at(i)));
      else
        a.data<double>()[i] = at(i);
    return a;
  }

  double at(std::int64_t i) const {
    const void* p = bytes_.data();
    if (dtype_ == DType::f32) return static_cast<const float*>(p)[i];
    if (dtype_ == DType::bf16) return widen(static_cast<const duet::bf16*>(p)[i]);
    return static_cast<const double*>(p)[i];
  }
  duet::View view() { return {bytes_.data(), shape_, dtype_}; }
  duet::ConstView view() const { return {bytes_.data(), shape_, dtype_}; }
  bool operator==(const Array& other) const { return bytes_ == other.bytes_; }

  void make_positive() {
    for (std::int64_t i = 0; i < shape_.numel(); ++i)
      data<double>()[i] = std::abs(data<double>()[i]);
  }

  double largest() const {
    double result = 0;
    for (std::int64_t i = 0; i < shape_.numel(); ++i) result = std::max(result, std::abs(at(i)));
    return result;
  }
  /// Largest difference; infinite where either side is not a number.
  double distance(const Array& other) const {
    double result = 0;
    for (std::int64_t i = 0; i < shape_.numel(); ++i) {
      const double d = std::abs(at(i) - other.at(i));
      result = d <= std::numeric_limits<double>::max() ? std::max(result, d)
                                                       : std::numeric_limits<double>::infinity();
      if (std::isinf(result)) break;
    }
    return result;
  }

 private:
  template <class T>
  T* data() {
    return reinterpret_cast<T*>(bytes_.data());
  }

  Shape shape_;
  DType dtype_;
  std::vector<unsigned char> bytes_;
};

/// Half the distance from 1 to the next number: 2^-p with p bits of significand.
inline double unit_roundoff(DType dtype) {
  return dtype == DType::f32 ? 0x1p-24 : dtype == DType::bf16 ? 0x1p-8 : 0x1p-53;
}
inline constexpr double tf32_unit_roundoff = 0x1p-11;

/// How far a sum of `length` products may be from the truth where its terms have random signs.
/// Each of the `length` additions rounds a partial sum that is no larger than about the largest
/// result, hence length · u · largest when all roundings conspire; they do not, and the 2 is for
/// the products' own roundings. bf16 is added up in f32, and the result is rounded once.
inline double sum_tolerance(std::int64_t length, DType dtype, const Array& truth) {
  const bool bf16 = dtype == DType::bf16;
  const double u = unit_roundoff(bf16 ? DType::f32 : dtype);
  return (2.0 * static_cast<double>(length) * u + (bf16 ? unit_roundoff(dtype) : 0)) *
         truth.largest();
}

/// House rule: our own rows give the same bits on any number of threads; a library may not.
inline bool independent_of_threads(const duet::RowInfo& row) {
  return row.kind != duet::RowKind::library;
}

/// Sets the number of threads for the length of a scope.
class Threads {
 public:
  explicit Threads(int count) : before_(duet::thread_count()) { duet::set_thread_count(count); }
  ~Threads() { duet::set_thread_count(before_); }

 private:
  int before_;
};

}  // namespace duet::test
