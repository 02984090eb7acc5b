#include "kernels/cast/cast.h"

namespace duet {

extern const CastRow cast_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    any_cast,
    [](Exec&, const CastParams& p, ConstView x, View y) {
      dispatch_cast(x.dtype, y.dtype, [&](auto from, auto to) {
        using From = decltype(from);
        using To = decltype(to);
        for (std::int64_t i = 0; i < p.count; ++i) y.as<To>()[i] = cast_to<To>(x.as<From>()[i]);
      });
    },
};

}  // namespace duet
