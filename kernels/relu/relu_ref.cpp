#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ReluParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ReluParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.count; ++i) y.as<T>()[i] = rectified(x.as<T>()[i]);
      });
    },
    [](Exec&, const ReluParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.count; ++i)
          grad_x.as<T>()[i] = y.as<T>()[i] > 0 ? grad_y.as<T>()[i] : T(0);
      });
    },
};

}  // namespace duet
