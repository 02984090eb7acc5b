#pragma once
/// Σ over all elements of (leftᵀ · right)², of left (N, O) and right (N, I), from the Gram matrices
/// of the two instead of the product:
///
///   Σ_oi (Σ_n left[n][o] · right[n][i])² = Σ_nk (left · leftᵀ)[n][k] · (right · rightᵀ)[n][k]
///
/// The square of the norm of a linear layer's gradient, by N² · (O + I) multiplications instead of
/// N · O · I.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct ProductSquareParams {
  std::int64_t n, rows, columns;  ///< N, O, I
};
std::string describe(const ProductSquareParams& p);

struct ProductSquareRow : RowInfo {
  using Params = ProductSquareParams;
  Support (*supports)(const Params&, DType);
  /// left (N, O), right (N, I) → y: one f64 element, by sums in f64. NaN or infinity where an
  /// element of either is, where a sum of products might leave the range of the element type on the
  /// way to an element of the product, and where the square of a factor's norm leaves that of f64.
  void (*forward)(Exec&, const Params&, ConstView left, ConstView right, View y);
};

RowList<ProductSquareRow>& product_square_rows();

}  // namespace duet
