#include "kernels/reduce/reduce.h"

namespace duet {
namespace {

template <class T>
std::int64_t first_maximum(const ReduceParams& p, const T* x) {
  std::int64_t best = 0;
  for (std::int64_t k = 1; k < p.n; ++k)
    if (const T value = x[k * p.inner], maximum = x[best * p.inner];
        value > maximum || (value != value && maximum == maximum))
      best = k;
  return best;
}

/// Calls `f(first element of the reduced line, output element)`.
template <class F>
void for_each_line(const ReduceParams& p, F&& f) {
  for (std::int64_t o = 0; o < p.outer; ++o)
    for (std::int64_t i = 0; i < p.inner; ++i) f(o * p.n * p.inner + i, o * p.inner + i);
}

}  // namespace

extern const ReduceRow reduce_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ReduceParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ReduceParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for_each_line(p, [&](std::int64_t start, std::int64_t out) {
          const T* line = x.as<T>() + start;
          if (p.op == ReduceOp::max) {
            y.as<T>()[out] = line[first_maximum(p, line) * p.inner];
            return;
          }
          double sum = 0;
          for (std::int64_t k = 0; k < p.n; ++k) sum += line[k * p.inner];
          y.as<T>()[out] = static_cast<T>(p.op == ReduceOp::mean ? sum / p.n : sum);
        });
      });
    },
    [](Exec&, const ReduceParams& p, ConstView x, ConstView grad_y, View grad_x) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for_each_line(p, [&](std::int64_t start, std::int64_t out) {
          const T g = grad_y.as<T>()[out];
          const std::int64_t best = p.op == ReduceOp::max ? first_maximum(p, x.as<T>() + start) : 0;
          for (std::int64_t k = 0; k < p.n; ++k)
            grad_x.as<T>()[start + k * p.inner] = p.op == ReduceOp::sum    ? g
                                                  : p.op == ReduceOp::mean ? g / static_cast<T>(p.n)
                                                  : k == best              ? g
                                                                           : T(0);
        });
      });
    },
};

}  // namespace duet
