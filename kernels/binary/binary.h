#pragma once
/// Elementwise functions of two arrays, with broadcasting: the output has shape `shape`, and
/// operand strides (in elements) are zero along the dimensions that an operand is repeated over.

#include <array>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

enum class BinaryOp : std::uint8_t { add, subtract, multiply, divide };
const char* to_string(BinaryOp op);

struct BinaryParams {
  BinaryOp op;
  Shape shape;
  std::array<std::int64_t, Shape::max_rank> a_strides{}, b_strides{};

  /// Numpy's rules: shapes are aligned at their ends, and an extent of 1 (or an absent one) is
  /// repeated.
  static BinaryParams broadcast(BinaryOp op, const Shape& a, const Shape& b);
  /// Whether neither operand is repeated.
  bool same_shape() const;
};
std::string describe(const BinaryParams& p);

struct BinaryRow : RowInfo {
  using Params = BinaryParams;
  Support (*supports)(const Params&, DType);
  /// y = op(a, b). The derivatives are compositions of these same functions and reductions.
  void (*forward)(Exec&, const Params&, ConstView a, ConstView b, View y);
};

RowList<BinaryRow>& binary_rows();

}  // namespace duet
