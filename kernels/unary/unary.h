#pragma once
/// Elementwise functions of one array: y = f(x).

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

enum class UnaryOp : std::uint8_t { affine, square, sqrt, exp, log, sigmoid, tanh };
const char* to_string(UnaryOp op);

struct UnaryParams {
  UnaryOp op;
  std::int64_t count;
  /// Of `affine` alone: y = scale · x + offset.
  double scale = 1, offset = 0;
};
std::string describe(const UnaryParams& p);

struct UnaryRow : RowInfo {
  using Params = UnaryParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView x, View y);
  /// grad_x = grad_y · f′(x), from whichever of x and y gives it best.
  void (*backward)(Exec&, const Params&, ConstView x, ConstView y, ConstView grad_y, View grad_x);
};

RowList<UnaryRow>& unary_rows();

}  // namespace duet
