#include "kernels/dropout/dropout.h"

namespace duet {

extern const DropoutRow dropout_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const DropoutParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const DropoutParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const T scale = T(1) / (T(1) - T(p.p));
        const Philox mask = p.mask.sequence();
        for (std::int64_t i = 0; i < p.count; ++i)
          y.as<T>()[i] = mask.uniform(i) >= p.p ? x.as<T>()[i] * scale : T(0);
      });
    },
};

}  // namespace duet
