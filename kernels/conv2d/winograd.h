#pragma once
/// The transforms of Winograd's convolution F(4×4, 3×3) (Lavin and Gray, "Fast Algorithms for
/// Convolutional Neural Networks", 2016), with the points 0, ±1/√2, ±√2, ∞.
///
/// In one dimension, four outputs of a three-tap filter on six inputs d are
///   y = Aᵀ [(G w) ∘ (Bᵀ d)]
/// with six products instead of twelve; in two dimensions every transform is applied to the columns
/// and then to the rows, and 36 products do the work of 144. The gradient of the weights is the
/// adjoint, w̄ = Gᵀ [Σ (A ȳ) ∘ (Bᵀ d)].
///
/// Rounding error. With C input channels (in the adjoint: C tiles), each result differs from the
/// exact one by at most about
///   (C + 24) · u · C · max|w| · max|d| · s²,   s = max_i Σ_ξ |Aᵀ|_iξ ‖G_ξ‖₁ ‖Bᵀ_ξ‖₁ = 24.9,
/// where u is the unit roundoff, 24 counts the roundings on the longest way through the transforms,
/// and s takes the place of direct convolution's 3 taps: (24.9 / 3)² = 69 times its bound. That is
/// when all roundings conspire. Where they are independent, norms of order 2 take the place of
/// sums,
///   s₂ = max_i √(Σ_ξ (Aᵀ)²_iξ ‖G_ξ‖₂² ‖Bᵀ_ξ‖₂²) = 4.62
/// takes the place of √3, and the typical error is s₂² / 3 = 7.1 times that of a direct sum of as
/// many terms. The textbook's points 0, ±1, ±2, ∞ have s = 48 and s₂² / 3 = 31 at the same cost.

#include "kernels/base/host_device.h"
#include "kernels/base/vec.h"

namespace duet::winograd {

inline constexpr int outputs = 4;  ///< of a tile, in each direction
inline constexpr int points = 6;
inline constexpr int products = points * points;
inline constexpr int taps = 3;
/// How many times direct convolution's error, for independent roundings: 7.1, see above.
inline constexpr double error_factor = 8;

/// The points ±p and ±q: p² = 1/2, q² = 2, so that p² q² = 1 and p² + q² = 5/2.
inline constexpr double p = 0.70710678118654752440, q = 1.41421356237309504880;
inline constexpr double p2 = 0.5, q2 = 2, p3 = p * p2, q3 = q * q2;
/// 1 / Π (point − other points) for ±p and ±q; it is 1 for 0 and for ∞.
inline constexpr double scale_p = -2.0 / 3, scale_q = 1.0 / 6;
/// The same where a transform of weights is twice too large for ±p: see transform_plain_weights.
inline constexpr double plain_scale_p = scale_p / 2, plain_scale_q = scale_q;

/// The transforms are of numbers or vectors V with elements T. Bᵀ: the input.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_input(const V* d, V* v) {
  v[0] = d[0] + d[4] - T(p2 + q2) * d[2];
  v[5] = d[1] + d[5] - T(p2 + q2) * d[3];
  const V even_p = d[4] - T(q2) * d[2], odd_p = d[3] - T(q2) * d[1];
  v[1] = even_p + T(p) * odd_p;
  v[2] = even_p - T(p) * odd_p;
  const V even_q = d[4] - T(p2) * d[2], odd_q = d[3] - T(p2) * d[1];
  v[3] = even_q + T(q) * odd_q;
  v[4] = even_q - T(q) * odd_q;
}

/// Multiplies by the factors that transform_plain_weights leaves out.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void scale_points(V* v) {
  v[1] *= T(plain_scale_p);
  v[2] *= T(plain_scale_p);
  v[3] *= T(plain_scale_q);
  v[4] *= T(plain_scale_q);
}

/// The same, with the factors that G brings to the weights: for `transform_plain_weights`.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_scaled_input(const V* d, V* v) {
  transform_input<T>(d, v);
  scale_points<T>(v);
}

/// Aᵀ: the output.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_output(const V* m, V* y) {
  const V even_p = m[1] + m[2], odd_p = m[1] - m[2];
  const V even_q = m[3] + m[4], odd_q = m[3] - m[4];
  y[0] = m[0] + (even_p + even_q);
  y[1] = T(p) * odd_p + T(q) * odd_q;
  y[2] = T(p2) * even_p + T(q2) * even_q;
  y[3] = T(p3) * odd_p + (T(q3) * odd_q + m[5]);
}

/// A: the gradient of the output.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_gradient(const V* y, V* z) {
  z[0] = y[0];
  z[5] = y[3];
  const V even_p = y[0] + T(p2) * y[2], odd_p = y[1] + T(p2) * y[3];
  z[1] = even_p + T(p) * odd_p;
  z[2] = even_p - T(p) * odd_p;
  const V even_q = y[0] + T(q2) * y[2], odd_q = y[1] + T(q2) * y[3];
  z[3] = even_q + T(q) * odd_q;
  z[4] = even_q - T(q) * odd_q;
}

/// G: the weights.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_weights(const V* w, V* u) {
  u[0] = w[0];
  u[5] = w[2];
  const V even_p = T(scale_p) * w[0] + T(scale_p * p2) * w[2], odd_p = T(scale_p * p) * w[1];
  u[1] = even_p + odd_p;
  u[2] = even_p - odd_p;
  const V even_q = T(scale_q) * w[0] + T(scale_q * q2) * w[2], odd_q = T(scale_q * q) * w[1];
  u[3] = even_q + odd_q;
  u[4] = even_q - odd_q;
}

/// G without its factors, which the input has instead, of prepared taps: the middle one has been
/// multiplied by q. Then additions are enough, which a processor does beside the multiplications of
/// the products.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_plain_weights(const V* w, V* u) {
  const V sum = w[0] + w[2];
  const V even_p = sum + w[0], even_q = sum + w[2];
  u[0] = w[0];
  u[1] = even_p + w[1];
  u[2] = even_p - w[1];
  u[3] = even_q + w[1];
  u[4] = even_q - w[1];
  u[5] = w[2];
}

/// G, of prepared taps.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_prepared_weights(const V* w, V* u) {
  transform_plain_weights<T>(w, u);
  scale_points<T>(u);
}

/// Gᵀ: the gradient of the weights.
template <class T, class V>
DUET_HOST_DEVICE DUET_INLINE void transform_weight_gradient(const V* m, V* w) {
  const V even_p = m[1] + m[2], odd_p = m[1] - m[2];
  const V even_q = m[3] + m[4], odd_q = m[3] - m[4];
  w[0] = m[0] + (T(scale_p) * even_p + T(scale_q) * even_q);
  w[1] = T(scale_p * p) * odd_p + T(scale_q * q) * odd_q;
  w[2] = T(scale_p * p2) * even_p + (T(scale_q * q2) * even_q + m[5]);
}

/// Applies a transform from In to Out numbers to columns and rows: `from(i, j)` gives the elements
/// of the In × In array, `to(i, j, value)` takes those of the Out × Out result.
template <class T, int In, int Out, void (*transform)(const Vec<T>*, Vec<T>*), class From, class To>
DUET_INLINE void in_two_dimensions(From&& from, To&& to) {
  Vec<T> half[Out][In], before[In], after[Out];
  DUET_UNROLL
  for (int j = 0; j < In; ++j) {
    DUET_UNROLL
    for (int i = 0; i < In; ++i) before[i] = from(i, j);
    transform(before, after);
    DUET_UNROLL
    for (int i = 0; i < Out; ++i) half[i][j] = after[i];
  }
  DUET_UNROLL
  for (int i = 0; i < Out; ++i) {
    transform(half[i], after);
    DUET_UNROLL
    for (int j = 0; j < Out; ++j) to(i, j, after[j]);
  }
}

}  // namespace duet::winograd
