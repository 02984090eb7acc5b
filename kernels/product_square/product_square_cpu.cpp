#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/parallel.h"
#include "kernels/base/vec.h"
#include "kernels/product_square/product_square.h"

namespace duet {
namespace {

/// As many elements as a vector of f64 has, from `p` on.
template <class T>
DUET_INLINE Vec<double> widened(const T* p) {
  typename VecOf<T, lanes<double> * sizeof(T)>::type v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Vec<double>);
}

/// Rows of x whose products with each other are summed at once: each element that is widened meets
/// several.
constexpr int a_rows = 4, b_rows = 2;

/// part[a][b] = Σ x[a][i] · x[b][i] over columns begin … end − 1, for b ≤ a.
template <class T>
void multiply_rows(const T* x, std::int64_t n, std::int64_t columns, std::int64_t begin,
                   std::int64_t end, double* part) {
  const std::int64_t whole = begin + (end - begin) / lanes<double> * lanes<double>;
  const auto row = [=](std::int64_t r) { return x + std::min(r, n - 1) * columns; };
  for (std::int64_t a = 0; a < n; a += a_rows)
    for (std::int64_t b = 0; b < std::min(n, a + a_rows); b += b_rows) {
      Vec<double> sums[a_rows][b_rows] = {};
      for (std::int64_t i = begin; i < whole; i += lanes<double>) {
        Vec<double> factors[b_rows];
        DUET_UNROLL
        for (int c = 0; c < b_rows; ++c) factors[c] = widened(row(b + c) + i);
        DUET_UNROLL
        for (int r = 0; r < a_rows; ++r) {
          const Vec<double> factor = widened(row(a + r) + i);
          DUET_UNROLL
          for (int c = 0; c < b_rows; ++c) sums[r][c] += factor * factors[c];
        }
      }
      for (std::int64_t r = a; r < std::min(n, a + a_rows); ++r)
        for (std::int64_t c = b; c < std::min(r + 1, b + b_rows); ++c) {
          double sum = 0;
          for (int l = 0; l < lanes<double>; ++l) sum += sums[r - a][c - b][l];
          for (std::int64_t i = whole; i < end; ++i)
            sum += static_cast<double>(row(r)[i]) * row(c)[i];
          part[r * n + c] = sum;
        }
    }
}

/// The products of the rows of x (n, columns) with each other: [a][b] for b ≤ a. Columns are shared
/// out, and the shares' parts added in order.
template <class T>
const double* gram(Exec& exec, const T* x, std::int64_t n, std::int64_t columns) {
  constexpr std::int64_t least = 512, most_shares = 16;
  const std::int64_t share = std::max(least, (columns + most_shares - 1) / most_shares);
  const std::int64_t shares = (columns + share - 1) / share;
  double* parts = exec.workspace.allocate_array<double>(n * n * std::max<std::int64_t>(1, shares));
  if (shares == 0) std::fill_n(parts, n * n, 0.0);
  parallel_for(columns, share, [&](std::int64_t begin, std::int64_t end) {
    multiply_rows(x, n, columns, begin, end, parts + begin / share * n * n);
  });
  for (std::int64_t s = 1; s < shares; ++s)
    for (std::int64_t a = 0; a < n; ++a)
      for (std::int64_t b = 0; b <= a; ++b) parts[a * n + b] += parts[(s * n + a) * n + b];
  return parts;
}

template <class T>
double product_square(Exec& exec, const ProductSquareParams& p, const T* left, const T* right) {
  const double *of_left = gram(exec, left, p.n, p.rows),
               *of_right = gram(exec, right, p.n, p.columns);
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
    [](Exec& exec, const ProductSquareParams& p, ConstView left, ConstView right, View y) {
      dispatch_floating(left.dtype, [&](auto zero) {
        using T = decltype(zero);
        *y.as<double>() = product_square(exec, p, left.as<T>(), right.as<T>());
      });
    },
};

}  // namespace duet
