#include "kernels/unary/unary_functions.h"

namespace duet {

extern const UnaryRow unary_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const UnaryParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const UnaryParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.count; ++i) y.as<T>()[i] = unary::value(p, x.as<T>()[i]);
      });
    },
    [](Exec&, const UnaryParams& p, ConstView x, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.count; ++i)
          grad_x.as<T>()[i] = grad_y.as<T>()[i] * unary::derivative(p, x.as<T>()[i], y.as<T>()[i]);
      });
    },
};

}  // namespace duet
