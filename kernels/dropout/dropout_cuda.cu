#include "kernels/dropout/dropout.h"
#include "kernels/simt/packet.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

static_assert(simt::elements_per_thread == 4, "a Philox block holds the words of four neighbours");

template <class T>
__global__ void apply(DropoutParams p, const T* x, T* y) {
  const std::int64_t i = simt::first_element();
  const T scale = T(1) / (T(1) - T(p.p));
  const Philox::Block block = p.mask.sequence().block(static_cast<std::uint64_t>(i) / 4);
  auto value = simt::load<4>(x, i, p.count);
#pragma unroll
  for (int k = 0; k < 4; ++k)
    value.at[k] = Philox::to_uniform(block.word[k]) >= p.p ? value.at[k] * scale : T(0);
  simt::store<4>(y, i, p.count, value);
}

}  // namespace

extern const DropoutRow dropout_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const DropoutParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const DropoutParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise(exec.stream, apply<T>, p.count, p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
