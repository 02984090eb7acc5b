#include <cmath>
#include <limits>

#include "kernels/product_square/product_square.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

/// Of two rows, by the whole block.
template <class T>
__device__ double dot(const T* a, const T* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < count; i += block_threads)
    sum += static_cast<double>(a[i]) * b[i];
  return simt::block_sum(sum);
}

/// terms[a][b] = what the pair of rows a and b adds to the result, that of b and a with it;
/// norms[a] and norms[n + a] = the squares of row a of left and right.
template <class T>
__global__ void __launch_bounds__(block_threads)
    multiply_pairs(ProductSquareParams p, const T* left, const T* right, double* terms,
                   double* norms) {
  const std::int64_t a = blockIdx.y, b = blockIdx.x;
  if (b > a) {
    if (threadIdx.x == 0) terms[a * p.n + b] = 0;
    return;
  }
  const double of_left = dot(left + a * p.rows, left + b * p.rows, p.rows);
  const double of_right = dot(right + a * p.columns, right + b * p.columns, p.columns);
  if (threadIdx.x != 0) return;
  terms[a * p.n + b] = (a == b ? 1 : 2) * of_left * of_right;
  if (a != b) return;
  norms[a] = of_left;
  norms[p.n + a] = of_right;
}

/// One block adds them up. No sum of products on the way to an element is larger than the product
/// of the factors' norms, which must stay below `largest`.
__global__ void __launch_bounds__(block_threads)
    add_terms(std::int64_t n, const double* terms, const double* norms, double largest, double* y) {
  double sum = 0, left = 0, right = 0;
  for (std::int64_t i = threadIdx.x; i < n * n; i += block_threads) sum += terms[i];
  for (std::int64_t i = threadIdx.x; i < n; i += block_threads) {
    left += norms[i];
    right += norms[n + i];
  }
  sum = simt::block_sum(sum);
  left = simt::block_sum(left);
  right = simt::block_sum(right);
  if (threadIdx.x != 0) return;
  if (std::sqrt(left) * std::sqrt(right) > largest)
    *y = std::numeric_limits<double>::infinity();
  else
    *y = sum < 0 ? 0 : sum;
}

template <class T>
void run(Exec& exec, const ProductSquareParams& p, ConstView left, ConstView right, View y) {
  double* terms = exec.workspace.allocate_array<double>(p.n * p.n);
  double* norms = exec.workspace.allocate_array<double>(2 * p.n);
  const auto n = static_cast<unsigned>(p.n);
  if (n > 0)
    simt::launch(exec.stream, multiply_pairs<T>, dim3(n, n), block_threads, 0, p, left.as<T>(),
                 right.as<T>(), terms, norms);
  simt::launch(exec.stream, add_terms, 1, block_threads, 0, p.n, terms, norms,
               static_cast<double>(std::numeric_limits<T>::max()), y.as<double>());
}

}  // namespace

extern const ProductSquareRow product_square_cuda = {
    {SIMT_ROW("block_per_pair"), RowKind::handwritten, simt::device_type},
    [](const ProductSquareParams& p, DType dtype) {
      return p.n > 65535 ? Support::no("takes 65535 rows at most") : any_floating(dtype);
    },
    [](Exec& exec, const ProductSquareParams& p, ConstView left, ConstView right, View y) {
      dispatch_floating(left.dtype,
                        [&](auto zero) { run<decltype(zero)>(exec, p, left, right, y); });
    },
};

}  // namespace duet
