#include "kernels/base/parallel.h"
#include "kernels/resize/resize.h"
#include "kernels/resize/triangle.h"

namespace duet {
namespace {

template <class T>
void forward(const ResizeParams& p, const T* x, T* y) {
  const auto rows = triangle_taps<T>(p.h, p.out_h), columns = triangle_taps<T>(p.w, p.out_w);
  parallel_chunks(p.n, [&](std::int64_t n) {
    const T* image = x + n * p.h * p.w * p.channels;
    T* out = y + n * p.out_h * p.out_w * p.channels;
    for (const Taps<T>& row : rows)
      for (const Taps<T>& column : columns)
        for (std::int64_t c = 0; c < p.channels; ++c) {
          T sum = 0;
          for (std::int64_t r = 0; r < std::ssize(row.weights); ++r)
            for (std::int64_t s = 0; s < std::ssize(column.weights); ++s)
              sum += row.weights[r] * column.weights[s] *
                     image[((row.first + r) * p.w + column.first + s) * p.channels + c];
          *out++ = sum;
        }
  });
}

}  // namespace

extern const ResizeRow resize_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ResizeParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ResizeParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
