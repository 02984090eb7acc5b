#include "kernels/dropout/dropout.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

template <class T>
__global__ void apply(DropoutParams p, const T* x, T* y) {
  constexpr int width = simt::packet_width<T>;
  static_assert(width % 4 == 0, "a Philox block holds the words of four neighbours");
  const std::int64_t i = simt::first_element<T>();
  const auto scale = Wide<T>(1) / (Wide<T>(1) - Wide<T>(p.p));
  const Philox mask = p.mask.sequence();
  auto value = simt::load<width>(x, i, p.count);
#pragma unroll
  for (int k = 0; k < width; k += 4) {
    const Philox::Block block = mask.block(static_cast<std::uint64_t>(i + k) / 4);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      Wide<T>& v = value.at[k + j];
      v = Philox::to_uniform(block.word[j]) >= p.p ? v * scale : Wide<T>(0);
    }
  }
  simt::store<width>(y, i, p.count, value);
}

}  // namespace

extern const DropoutRow dropout_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const DropoutParams&, DType dtype) { return any_real(dtype); },
    [](Exec& exec, const DropoutParams& p, ConstView x, View y) {
      dispatch_real(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch_elementwise<T>(exec.stream, apply<T>, p.count, p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
