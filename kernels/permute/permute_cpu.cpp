#include <algorithm>

#include "kernels/base/parallel.h"
#include "kernels/permute/permute.h"

namespace duet {
namespace {

/// The dimensions of y without those of extent 1, neighbours that are neighbours in x, too, as one:
/// extents, and strides in x and y.
struct Dimensions {
  int rank = 0;
  std::int64_t extent[Shape::max_rank], x_stride[Shape::max_rank], y_stride[Shape::max_rank];

  explicit Dimensions(const PermuteParams& p) {
    std::int64_t strides[Shape::max_rank];
    for (std::int64_t i = p.x_shape.rank() - 1, stride = 1; i >= 0;
         stride *= p.x_shape[static_cast<int>(i)], --i)
      strides[i] = stride;
    for (const int axis : p.axes) {
      const std::int64_t n = p.x_shape[axis];
      if (n == 1) continue;
      if (rank > 0 && x_stride[rank - 1] == n * strides[axis]) {
        extent[rank - 1] *= n;
        x_stride[rank - 1] = strides[axis];
      } else {
        extent[rank] = n;
        x_stride[rank++] = strides[axis];
      }
    }
    for (std::int64_t i = rank - 1, stride = 1; i >= 0; stride *= extent[i], --i)
      y_stride[i] = stride;
  }
};

/// In tiles of the dimensions that are the last of x and of y, which are read and written line by
/// line.
template <class T>
void permute(const PermuteParams& p, const T* x, T* y) {
  constexpr std::int64_t side = 16;
  if (p.x_shape.numel() == 0) return;
  const Dimensions d(p);
  const int last = d.rank - 1;
  if (d.rank <= 1) {
    std::copy_n(x, p.x_shape.numel(), y);
    return;
  }
  int first_of_x = last;  // the dimension whose elements are neighbours in x
  while (d.x_stride[first_of_x] != 1) --first_of_x;
  // A unit: one index of each other dimension, and `side` of the last of x.
  const bool rows = first_of_x == last;  // whole rows of y are rows of x
  const std::int64_t width = d.extent[last], height = rows ? 1 : d.extent[first_of_x];
  const std::int64_t strips = (height + side - 1) / side;
  const std::int64_t units = p.x_shape.numel() / (width * height) * strips;
  const std::int64_t grain =
      std::max<std::int64_t>(1, (1 << 15) / (width * std::min(height, side)));
  parallel_for(units, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const std::int64_t i0 = unit % strips * side, i_count = std::min(side, height - i0);
      std::int64_t from = 0, to = 0, rest = unit / strips;
      for (int k = last - 1; k >= 0; --k) {
        if (k == first_of_x) continue;
        from += rest % d.extent[k] * d.x_stride[k];
        to += rest % d.extent[k] * d.y_stride[k];
        rest /= d.extent[k];
      }
      if (rows) {
        std::copy_n(x + from, width, y + to);
        continue;
      }
      from += i0;
      to += i0 * d.y_stride[first_of_x];
      for (std::int64_t j0 = 0; j0 < width; j0 += side) {
        const std::int64_t j_count = std::min(side, width - j0);
        T tile[side][side];
        for (std::int64_t j = 0; j < j_count; ++j)
          std::copy_n(x + from + (j0 + j) * d.x_stride[last], i_count, tile[j]);
        for (std::int64_t i = 0; i < i_count; ++i)
          for (std::int64_t j = 0; j < j_count; ++j)
            y[to + i * d.y_stride[first_of_x] + j0 + j] = tile[j][i];
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
