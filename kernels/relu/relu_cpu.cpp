#include "kernels/base/parallel.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

constexpr std::int64_t grain = 1 << 15;

}  // namespace

extern const ReluRow relu_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const ReluParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ReluParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(p.count, grain, [in = x.as<T>(), out = y.as<T>()](auto begin, auto end) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = rectified(in[i]);
        });
      });
    },
    [](Exec&, const ReluParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(
            p.count, grain,
            [out = y.as<T>(), gy = grad_y.as<T>(), gx = grad_x.as<T>()](auto begin, auto end) {
              // Read whether it passes or not: a choice between values vectorises.
              for (std::int64_t i = begin; i < end; ++i) {
                const T gradient = gy[i];
                gx[i] = out[i] > 0 ? gradient : T(0);
              }
            });
      });
    },
};

}  // namespace duet
