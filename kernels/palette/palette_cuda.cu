#include "kernels/palette/palette.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

template <class T>
struct Look {
  const float* table;
  std::int64_t colors;
  const T* x;
  T* y;
  DUET_HOST_DEVICE void operator()(std::int64_t i) const {
    look_up_color(table, colors, x[i], y + 3 * i);
  }
};

}  // namespace

extern const PaletteRow palette_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const PaletteParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const PaletteParams& p, ConstView x, std::span<const float> table, View y) {
      if (p.count == 0) return;
      const float* on_device = simt::upload(exec, table);
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::for_each(exec.stream, p.count, Look<T>{on_device, p.colors, x.as<T>(), y.as<T>()});
      });
    },
};

}  // namespace duet
