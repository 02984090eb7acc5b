#include "kernels/base/parallel.h"
#include "kernels/permute/permute.h"

namespace duet {
namespace {

/// y row by row, a row being its last dimension: elements of x at one stride. Neighbouring rows
/// share x's cache lines.
template <class T>
void permute(const PermuteParams& p, const T* x, T* y) {
  const Shape shape = p.y_shape();
  const int last = shape.rank() - 1;
  if (shape.numel() == 0) return;
  if (last < 0) {
    *y = *x;
    return;
  }
  std::int64_t x_strides[Shape::max_rank], strides[Shape::max_rank];
  for (std::int64_t i = last, stride = 1; i >= 0; stride *= p.x_shape[static_cast<int>(i)], --i)
    x_strides[i] = stride;
  for (int i = 0; i <= last; ++i) strides[i] = x_strides[p.axes[i]];
  const std::int64_t length = shape[last], stride = strides[last];
  const std::int64_t grain = std::max<std::int64_t>(1, (1 << 15) / length);
  parallel_for(shape.numel() / length, grain, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t index[Shape::max_rank], from = 0;
    for (std::int64_t d = last - 1, rest = begin; d >= 0; rest /= shape[static_cast<int>(d)], --d) {
      index[d] = rest % shape[static_cast<int>(d)];
      from += index[d] * strides[d];
    }
    for (std::int64_t row = begin; row < end; ++row) {
      T* to = y + row * length;
      for (std::int64_t i = 0; i < length; ++i) to[i] = x[from + i * stride];
      for (int d = last - 1; d >= 0; --d) {
        from += strides[d];
        if (++index[d] < shape[d]) break;
        from -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
  });
}

}  // namespace

extern const PermuteRow permute_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const PermuteParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const PermuteParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        permute<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
