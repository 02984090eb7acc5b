#include "kernels/dropout/dropout_cpu.h"

#include "kernels/base/parallel.h"
#include "kernels/dropout/dropout.h"

namespace duet {

extern const DropoutRow dropout_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const DropoutParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const DropoutParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Philox mask = p.mask.sequence();
        parallel_for(p.count, 1 << 14, [&, in = x.as<T>(), out = y.as<T>()](auto begin, auto end) {
          apply_dropout(mask, p.p, begin, end - begin, in + begin, out + begin);
        });
      });
    },
};

}  // namespace duet
