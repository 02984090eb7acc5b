#include "kernels/base/parallel.h"
#include "kernels/resize/resize.h"
#include "kernels/resize/triangle.h"

namespace duet {
namespace {

/// Each output row in two steps: the input rows it is made of become one (a contiguous sum, in
/// cache), whose columns are then combined.
template <class T>
void forward(const ResizeParams& p, const T* x, T* y) {
  const auto rows = triangle_taps<T>(p.h, p.out_h), columns = triangle_taps<T>(p.w, p.out_w);
  const std::int64_t width = p.w * p.channels;
  parallel_chunks(p.n, [&](std::int64_t n) {
    const T* image = x + n * p.h * width;
    T* out = y + n * p.out_h * p.out_w * p.channels;
    std::vector<T> line(static_cast<std::size_t>(width));
    for (const Taps<T>& row : rows) {
      std::fill(line.begin(), line.end(), T(0));
      for (std::int64_t r = 0; r < std::ssize(row.weights); ++r) {
        const T* in = image + (row.first + r) * width;
        const T weight = row.weights[r];
        for (std::int64_t i = 0; i < width; ++i) line[i] += weight * in[i];
      }
      for (const Taps<T>& column : columns) {
        const T* in = line.data() + column.first * p.channels;
        for (std::int64_t c = 0; c < p.channels; ++c) {
          T sum = 0;
          for (std::int64_t s = 0; s < std::ssize(column.weights); ++s)
            sum += column.weights[s] * in[s * p.channels + c];
          *out++ = sum;
        }
      }
    }
  });
}

}  // namespace

extern const ResizeRow resize_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const ResizeParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ResizeParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
