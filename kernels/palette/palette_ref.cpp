#include "kernels/palette/palette.h"

namespace duet {

extern const PaletteRow palette_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const PaletteParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const PaletteParams& p, ConstView x, std::span<const float> table, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        for (std::int64_t i = 0; i < p.count; ++i)
          look_up_color(table.data(), p.colors, x.as<T>()[i], y.as<T>() + 3 * i);
      });
    },
};

}  // namespace duet
