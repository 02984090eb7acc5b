#include "kernels/sum_of_squares/sum_of_squares.h"

namespace duet {

extern const SumOfSquaresRow sum_of_squares_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const SumOfSquaresParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const SumOfSquaresParams&, std::span<const ConstView> xs, View y) {
      double sum = 0;
      for (const ConstView& x : xs)
        dispatch_floating(x.dtype, [&](auto zero) {
          using T = decltype(zero);
          for (std::int64_t i = 0; i < x.numel(); ++i) {
            const double value = x.as<T>()[i];
            sum += value * value;
          }
        });
      *y.as<double>() = sum;
    },
};

}  // namespace duet
