#include "kernels/base/parallel.h"
#include "kernels/unary/unary_functions.h"

namespace duet {
namespace {

constexpr std::int64_t grain = 1 << 13;

}  // namespace

extern const UnaryRow unary_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const UnaryParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const UnaryParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(p.count, grain, [&, in = x.as<T>(), out = y.as<T>()](auto begin, auto end) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = unary::value(p, in[i]);
        });
      });
    },
    [](Exec&, const UnaryParams& p, ConstView x, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        parallel_for(p.count, grain,
                     [&, in = x.as<T>(), out = y.as<T>(), gy = grad_y.as<T>(), gx = grad_x.as<T>()](
                         auto begin, auto end) {
                       for (std::int64_t i = begin; i < end; ++i)
                         gx[i] = gy[i] * unary::derivative(p, in[i], out[i]);
                     });
      });
    },
};

}  // namespace duet
