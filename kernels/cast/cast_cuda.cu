#include "kernels/cast/cast.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

/// What rounds is the store.
struct Same {
  template <class T>
  __device__ T operator()(T x) const {
    return x;
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
        simt::map(exec.stream, p.count, Same(), y.as<To>(), x.as<From>());
      });
    },
};

}  // namespace duet
