#include "kernels/permute/permute.h"

namespace duet {
namespace {

template <class T>
void permute(const PermuteParams& p, const T* x, T* y) {
  const Shape shape = p.y_shape();
  const int rank = shape.rank();
  std::int64_t x_strides[Shape::max_rank], strides[Shape::max_rank];
  for (std::int64_t i = rank - 1, stride = 1; i >= 0; stride *= p.x_shape[static_cast<int>(i)], --i)
    x_strides[i] = stride;
  for (int i = 0; i < rank; ++i) strides[i] = x_strides[p.axes[i]];
  std::int64_t index[Shape::max_rank] = {}, from = 0;
  for (std::int64_t to = 0; to < shape.numel(); ++to) {
    y[to] = x[from];
    for (int d = rank - 1; d >= 0; --d) {
      from += strides[d];
      if (++index[d] < shape[d]) break;
      from -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

}  // namespace

extern const PermuteRow permute_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const PermuteParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const PermuteParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        permute<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
