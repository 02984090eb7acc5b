#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/product_square/product_square.h"

namespace duet {
namespace {

template <class T>
double dot(const T* a, const T* b, std::int64_t count) {
  // Sixteen independent sums, so that the additions overlap.
  double sums[16] = {};
  std::int64_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int k = 0; k < 16; ++k) sums[k] += static_cast<double>(a[i + k]) * b[i + k];
  for (; i < count; ++i) sums[0] += static_cast<double>(a[i]) * b[i];
  return std::accumulate(sums, sums + 16, 0.0);
}

/// The products of the rows of x (n, columns) with each other: [a][b] for b ≤ a. The chunks' parts
/// are added in order.
template <class T>
std::vector<double> gram(const T* x, std::int64_t n, std::int64_t columns) {
  constexpr std::int64_t chunk = 512;  // 32 rows of float are 64 KiB
  const std::int64_t chunks = (columns + chunk - 1) / chunk;
  std::vector<double> parts(n * n * chunks), sum(n * n);
  parallel_for(columns, chunk, [&](std::int64_t begin, std::int64_t end) {
    double* part = parts.data() + begin / chunk * n * n;
    for (std::int64_t a = 0; a < n; ++a)
      for (std::int64_t b = 0; b <= a; ++b)
        part[a * n + b] = dot(x + a * columns + begin, x + b * columns + begin, end - begin);
  });
  for (std::int64_t c = 0; c < chunks; ++c)
    for (std::int64_t i = 0; i < n * n; ++i) sum[i] += parts[c * n * n + i];
  return sum;
}

template <class T>
double product_square(const ProductSquareParams& p, const T* left, const T* right) {
  const std::vector<double> of_left = gram(left, p.n, p.rows),
                            of_right = gram(right, p.n, p.columns);
  double total = 0, left_square = 0, right_square = 0;
  for (std::int64_t a = 0; a < p.n; ++a) {
    for (std::int64_t b = 0; b < a; ++b) total += 2 * of_left[a * p.n + b] * of_right[a * p.n + b];
    total += of_left[a * p.n + a] * of_right[a * p.n + a];
    left_square += of_left[a * p.n + a];
    right_square += of_right[a * p.n + a];
  }
  // No sum of products on the way to an element is larger than the two norms' product.
  constexpr double largest = std::numeric_limits<T>::max();
  if (std::sqrt(left_square) * std::sqrt(right_square) > largest)
    return std::numeric_limits<double>::infinity();
  // What rounding leaves where all cancels may be below zero.
  return total < 0 ? 0 : total;
}

}  // namespace

extern const ProductSquareRow product_square_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const ProductSquareParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ProductSquareParams& p, ConstView left, ConstView right, View y) {
      dispatch_floating(left.dtype, [&](auto zero) {
        using T = decltype(zero);
        *y.as<double>() = product_square(p, left.as<T>(), right.as<T>());
      });
    },
};

}  // namespace duet
