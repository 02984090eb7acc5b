#include <cmath>

#include "kernels/nonfinite/nonfinite.h"

namespace duet {

extern const NonfiniteRow nonfinite_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const NonfiniteParams&, DType dtype) { return any_real(dtype); },
    [](Exec&, const NonfiniteParams&, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        std::int32_t found = 0;
        for (std::int64_t i = 0; i < x.numel(); ++i) found += !std::isfinite(widen(x.as<T>()[i]));
        *y.as<std::int32_t>() = found;
      });
    },
};

}  // namespace duet
