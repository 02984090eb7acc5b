#include <cmath>

#include "kernels/softmax/softmax.h"

namespace duet {

extern const SoftmaxRow softmax_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const SoftmaxParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const SoftmaxParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t n = 0; n < p.rows; ++n) {
          const T* in = x.as<T>() + n * p.classes;
          T* out = y.as<T>() + n * p.classes;
          const T maximum = *std::max_element(in, in + p.classes);
          double sum = 0;
          for (std::int64_t c = 0; c < p.classes; ++c) sum += out[c] = std::exp(in[c] - maximum);
          for (std::int64_t c = 0; c < p.classes; ++c) out[c] = static_cast<T>(out[c] / sum);
        }
      });
    },
    [](Exec&, const SoftmaxParams& p, ConstView y, ConstView grad_y, View grad_x) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t n = 0; n < p.rows; ++n) {
          const T *out = y.as<T>() + n * p.classes, *gy = grad_y.as<T>() + n * p.classes;
          double dot = 0;
          for (std::int64_t c = 0; c < p.classes; ++c) dot += static_cast<double>(gy[c]) * out[c];
          for (std::int64_t c = 0; c < p.classes; ++c)
            grad_x.as<T>()[n * p.classes + c] = static_cast<T>(out[c] * (gy[c] - dot));
        }
      });
    },
};

}  // namespace duet
