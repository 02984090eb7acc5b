#include "kernels/cast/cast.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

template <class To>
struct Cast {
  template <class From>
  __device__ Wide<To> operator()(From value) const {
    return static_cast<Wide<To>>(value);
  }
};

}  // namespace

extern const CastRow cast_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    any_cast,
    [](Exec& exec, const CastParams& p, ConstView x, View y) {
      dispatch_cast(x.dtype, y.dtype, [&](auto from, auto to) {
        using From = decltype(from);
        using To = decltype(to);
        simt::map(exec.stream, p.count, Cast<To>(), y.as<To>(), x.as<From>());
      });
    },
};

}  // namespace duet
