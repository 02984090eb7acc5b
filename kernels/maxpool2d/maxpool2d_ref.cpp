#include <cmath>

#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {
namespace {

/// Calls `f(output offset, offset of the window's first element)` for every output element.
template <class F>
void for_each_output(const MaxPool2dParams& p, F&& f) {
  std::int64_t out = 0;
  for (std::int64_t n = 0; n < p.n; ++n)
    for (std::int64_t i = 0; i < p.out_h(); ++i)
      for (std::int64_t j = 0; j < p.out_w(); ++j)
        for (std::int64_t c = 0; c < p.channels; ++c, ++out)
          f(out, ((n * p.h + i * p.stride) * p.w + j * p.stride) * p.channels + c);
}

std::int64_t tap_offset(const MaxPool2dParams& p, std::int64_t tap) {
  return (tap / p.kernel * p.w + tap % p.kernel) * p.channels;
}

}  // namespace

extern const MaxPool2dRow maxpool2d_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const MaxPool2dParams& p, DType dtype) {
      if (p.kernel * p.kernel > 256) return Support::no("a tap index has 8 bits");
      return any_floating(dtype);
    },
    [](Exec&, const MaxPool2dParams& p, ConstView x, View y, View tap) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for_each_output(p, [&](std::int64_t out, std::int64_t window) {
          std::int64_t best = 0;
          for (std::int64_t t = 1; t < p.kernel * p.kernel; ++t) {
            const T value = x.as<T>()[window + tap_offset(p, t)];
            const T maximum = x.as<T>()[window + tap_offset(p, best)];
            if (value > maximum || (std::isnan(value) && !std::isnan(maximum))) best = t;
          }
          y.as<T>()[out] = x.as<T>()[window + tap_offset(p, best)];
          tap.as<std::uint8_t>()[out] = static_cast<std::uint8_t>(best);
        });
      });
    },
    [](Exec&, const MaxPool2dParams& p, ConstView tap, ConstView grad_y, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        std::fill_n(grad_x.as<T>(), grad_x.numel(), T(0));
        for_each_output(p, [&](std::int64_t out, std::int64_t window) {
          grad_x.as<T>()[window + tap_offset(p, tap.as<std::uint8_t>()[out])] +=
              grad_y.as<T>()[out];
        });
      });
    },
};

}  // namespace duet
