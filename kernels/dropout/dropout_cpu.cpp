#include "kernels/base/parallel.h"
#include "kernels/dropout/dropout.h"

namespace duet {
namespace {

template <class T>
void apply(const DropoutParams& p, const T* x, T* y) {
  const T scale = T(1) / (T(1) - T(p.p));
  const Philox mask = p.mask.sequence();
  parallel_for(p.count, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    // A Philox block holds the words of four neighbours; chunks begin at multiples of four.
    for (std::int64_t i = begin; i < end; i += 4) {
      const Philox::Block block = mask.block(static_cast<std::uint64_t>(i) / 4);
      const std::int64_t last = std::min(end, i + 4);
      for (std::int64_t j = i; j < last; ++j)
        y[j] = Philox::to_uniform(block.word[j - i]) >= p.p ? x[j] * scale : T(0);
    }
  });
}

}  // namespace

extern const DropoutRow dropout_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const DropoutParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const DropoutParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        apply<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
