#include <numeric>
#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {
namespace {

constexpr std::int64_t chunk = 1 << 15;

template <class T>
double sum_of_squares(const T* x, std::int64_t count) {
  std::vector<double> partial((count + chunk - 1) / chunk);
  parallel_for(count, chunk, [&](std::int64_t begin, std::int64_t end) {
    // Sixteen independent sums, so that the additions overlap.
    double sums[16] = {};
    std::int64_t i = begin;
    for (; i + 16 <= end; i += 16)
      for (int k = 0; k < 16; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
    for (; i < end; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
    partial[begin / chunk] = std::accumulate(sums, sums + 16, 0.0);
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace

extern const SumOfSquaresRow sum_of_squares_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const SumOfSquaresParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const SumOfSquaresParams&, std::span<const ConstView> xs, View y) {
      double sum = 0;
      for (const ConstView& x : xs)
        dispatch_floating(x.dtype, [&](auto zero) {
          using T = decltype(zero);
          sum += sum_of_squares<T>(x.as<T>(), x.numel());
        });
      *y.as<double>() = sum;
    },
};

}  // namespace duet
