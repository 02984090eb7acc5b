#include "kernels/product_square/product_square.h"

namespace duet {

extern const ProductSquareRow product_square_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ProductSquareParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ProductSquareParams& p, ConstView left, ConstView right, View y) {
      double total = 0;
      dispatch_floating(left.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t o = 0; o < p.rows; ++o)
          for (std::int64_t i = 0; i < p.columns; ++i) {
            T element = 0;
            for (std::int64_t n = 0; n < p.n; ++n)
              element += left.as<T>()[n * p.rows + o] * right.as<T>()[n * p.columns + i];
            total += static_cast<double>(element) * element;
          }
      });
      *y.as<double>() = total;
    },
};

}  // namespace duet
