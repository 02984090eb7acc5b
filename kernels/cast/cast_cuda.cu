#include "kernels/cast/cast.h"
#include "kernels/simt/packet.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

template <class From, class To>
__global__ void cast_elements(std::int64_t count, const From* x, To* y) {
  const std::int64_t i = simt::first_element();
  const auto in = simt::load<4>(x, i, count);
  simt::Packet<To, 4> out;
#pragma unroll
  for (int k = 0; k < 4; ++k) out.at[k] = cast_to<To>(in.at[k]);
  simt::store<4>(y, i, count, out);
}

}  // namespace

extern const CastRow cast_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    any_cast,
    [](Exec& exec, const CastParams& p, ConstView x, View y) {
      dispatch_cast(x.dtype, y.dtype, [&](auto from, auto to) {
        using From = decltype(from);
        using To = decltype(to);
        simt::launch_elementwise(exec.stream, cast_elements<From, To>, p.count, p.count,
                                 x.as<From>(), y.as<To>());
      });
    },
};

}  // namespace duet
