#include <vector>

#include "kernels/base/parallel.h"
#include "kernels/standardize/standardize.h"

namespace duet {
namespace {

/// y = x · a[c] + b[c]. The two tables are repeated over `lanes` elements of every channel, so that
/// the inner loop is contiguous in all four arrays whatever the channel count.
template <class T>
void forward(const StandardizeParams& p, const T* x, std::span<const double> mean,
             std::span<const double> std, T* y) {
  constexpr std::int64_t lanes = 64;
  const std::int64_t period = lanes * p.channels;
  std::vector<T> a(static_cast<std::size_t>(period)), b(static_cast<std::size_t>(period));
  for (std::int64_t i = 0; i < period; ++i) {
    const auto c = static_cast<std::size_t>(i % p.channels);
    a[i] = static_cast<T>(p.scale / std[c]);
    b[i] = static_cast<T>((p.offset - mean[c]) / std[c]);
  }
  parallel_for(p.count, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * p.channels; i < end * p.channels; i += period) {
      const std::int64_t n = std::min(period, end * p.channels - i);
      for (std::int64_t j = 0; j < n; ++j) y[i + j] = x[i + j] * a[j] + b[j];
    }
  });
}

}  // namespace

extern const StandardizeRow standardize_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const StandardizeParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const StandardizeParams& p, ConstView x, std::span<const double> mean,
       std::span<const double> std, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), mean, std, y.as<T>());
      });
    },
};

}  // namespace duet
