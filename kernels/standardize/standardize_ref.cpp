#include "kernels/standardize/standardize.h"

namespace duet {

extern const StandardizeRow standardize_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const StandardizeParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const StandardizeParams& p, ConstView x, std::span<const double> mean,
       std::span<const double> std, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const T* in = x.as<T>();
        T* out = y.as<T>();
        for (std::int64_t i = 0; i < p.count; ++i)
          for (std::int64_t c = 0; c < p.channels; ++c)
            *out++ = static_cast<T>((*in++ * p.scale + p.offset - mean[c]) / std[c]);
      });
    },
};

}  // namespace duet
