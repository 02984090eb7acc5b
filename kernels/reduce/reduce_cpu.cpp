#include <algorithm>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/reduce/reduce.h"

namespace duet {
namespace {

/// Elements a chunk sums in the element type before the sum goes on in double.
constexpr std::int64_t chunk_elements = 1 << 13;

/// Column sums of an (n, inner) matrix, for each of `outer` matrices.
template <class T>
void sum_columns(Exec& exec, const ReduceParams& p, const T* x, T* y) {
  const std::int64_t chunk_rows = std::max<std::int64_t>(1, chunk_elements / p.inner);
  const std::int64_t chunks = (p.n + chunk_rows - 1) / chunk_rows;
  T* partial = exec.workspace.allocate_array<T>(chunks * p.inner);
  std::vector<double> total(p.inner);
  for (std::int64_t o = 0; o < p.outer; ++o) {
    const T* matrix = x + o * p.n * p.inner;
    parallel_chunks(chunks, [&](std::int64_t chunk) {
      T* __restrict sums = partial + chunk * p.inner;
      std::fill(sums, sums + p.inner, T(0));
      for (std::int64_t r = chunk * chunk_rows; r < std::min(p.n, (chunk + 1) * chunk_rows); ++r)
        for (std::int64_t i = 0; i < p.inner; ++i) sums[i] += matrix[r * p.inner + i];
    });
    std::fill(total.begin(), total.end(), 0.0);
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      for (std::int64_t i = 0; i < p.inner; ++i) total[i] += partial[chunk * p.inner + i];
    const double scale = p.op == ReduceOp::mean ? 1.0 / p.n : 1.0;
    for (std::int64_t i = 0; i < p.inner; ++i)
      y[o * p.inner + i] = static_cast<T>(total[i] * scale);
  }
}

/// Sums of rows that lie in one piece.
template <class T>
void sum_rows(const ReduceParams& p, const T* x, T* y) {
  const std::int64_t rows = chunk_elements / std::clamp<std::int64_t>(p.n, 1, chunk_elements);
  parallel_for(p.outer, rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      double sum = 0;
      for (std::int64_t k = 0; k < p.n; ++k) sum += x[o * p.n + k];
      y[o] = static_cast<T>(p.op == ReduceOp::mean ? sum / p.n : sum);
    }
  });
}

}  // namespace

extern const ReduceRow reduce_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const ReduceParams& p, DType dtype) {
      if (p.op == ReduceOp::max) return Support::no("takes sum and mean");
      return any_floating(dtype);
    },
    [](Exec& exec, const ReduceParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        if (p.inner == 1 && p.outer > 1)
          sum_rows<T>(p, x.as<T>(), y.as<T>());
        else
          sum_columns<T>(exec, p, x.as<T>(), y.as<T>());
      });
    },
    [](Exec&, const ReduceParams& p, ConstView, ConstView grad_y, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        const T scale = p.op == ReduceOp::mean ? T(1) / static_cast<T>(p.n) : T(1);
        const std::int64_t grain = std::max<std::int64_t>(1, chunk_elements / p.inner);
        parallel_for(p.outer * p.n, grain,
                     [&, gy = grad_y.as<T>(), gx = grad_x.as<T>()](auto begin, auto end) {
                       for (std::int64_t r = begin; r < end; ++r)
                         for (std::int64_t i = 0; i < p.inner; ++i)
                           gx[r * p.inner + i] = gy[r / p.n * p.inner + i] * scale;
                     });
      });
    },
};

}  // namespace duet
