#include "kernels/base/parallel.h"
#include "kernels/cast/cast.h"

namespace duet {

extern const CastRow cast_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    any_cast,
    [](Exec&, const CastParams& p, ConstView x, View y) {
      dispatch_cast(x.dtype, y.dtype, [&](auto from, auto to) {
        using From = decltype(from);
        using To = decltype(to);
        parallel_for(p.count, 1 << 15, [in = x.as<From>(), out = y.as<To>()](auto begin, auto end) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = cast_to<To>(in[i]);
        });
      });
    },
};

}  // namespace duet
