#pragma once
/// The three products of a linear layer as the handwritten CUDA rows make them. Each direction
/// calls `multiply(A, B, c, rows, columns, depth)` once, but for the few rows of an answer.

#include "kernels/gemm/operand.h"
#include "kernels/linear/linear_cuda_stream.h"

namespace duet {

/// Whether 32 bits hold the sizes.
inline Support fits_in_32_bits(const LinearParams& p) {
  if (std::max({p.n, p.in_features, p.out_features}) >= std::int64_t{1} << 30)
    return Support::no("takes fewer than 2^30 rows and features");
  return Support::yes();
}

namespace linear_products {

using device_gemm::MatrixByDepth;
using device_gemm::MatrixByRows;
using device_gemm::takes_full_packs;
using device_gemm::with_width;

struct Sizes {
  int n, in, out;
  explicit Sizes(const LinearParams& p)
      : n(static_cast<int>(p.n)),
        in(static_cast<int>(p.in_features)),
        out(static_cast<int>(p.out_features)) {}
};

template <class T, class Multiply>
void forward(Exec& exec, const LinearParams& p, const T* x, const T* weight,
             const device_gemm::Epilogue<T>& epilogue, T* y, Multiply&& multiply) {
  const Sizes s(p);
  if (s.n == 0 || s.out == 0) return;
  if (s.n <= linear_stream::most_rows)
    return linear_stream::forward(exec, p, x, weight, epilogue, y);
  const bool full = takes_full_packs(x, s.in) && takes_full_packs(weight, s.in);
  with_width<T>(full, [&](auto width) {
    multiply(MatrixByRows<T, width>{x, s.n, s.in}, MatrixByRows<T, width>{weight, s.out, s.in}, y,
             s.n, s.out, s.in);
  });
}

template <class T, class Multiply>
void backward_data(const LinearParams& p, const T* grad_y, const T* weight, T* grad_x,
                   Multiply&& multiply) {
  const Sizes s(p);
  const bool full = takes_full_packs(grad_y, s.out) && takes_full_packs(weight, s.in);
  with_width<T>(full, [&](auto width) {
    multiply(MatrixByRows<T, width>{grad_y, s.n, s.out},
             MatrixByDepth<T, width>{weight, s.in, s.out}, grad_x, s.n, s.in, s.out);
  });
}

template <class T, class Multiply>
void backward_weights(const LinearParams& p, const T* x, const T* grad_y, T* grad_weight,
                      Multiply&& multiply) {
  const Sizes s(p);
  const bool full = takes_full_packs(x, s.in) && takes_full_packs(grad_y, s.out);
  with_width<T>(full, [&](auto width) {
    multiply(MatrixByDepth<T, width>{grad_y, s.out, s.n}, MatrixByDepth<T, width>{x, s.in, s.n},
             grad_weight, s.out, s.in, s.n);
  });
}

}  // namespace linear_products

}  // namespace duet
