#include "kernels/augment_image/augment_image.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

template <class T>
void forward(const AugmentImageParams& p, const T* x,
             std::span<const ImageAugmentation> augmentations, T* y) {
  const std::int64_t size = p.h * p.w * p.channels;
  parallel_chunks(p.n, [&](std::int64_t n) {
    const ImageAugmentation& how = augmentations[static_cast<std::size_t>(n)];
    const T* image = x + n * size;
    T* out = y + n * size;
    for (std::int64_t i = 0; i < p.h; ++i) {
      const T* row = image + std::clamp<std::int64_t>(i - how.dy, 0, p.h - 1) * p.w * p.channels;
      for (std::int64_t j = 0; j < p.w; ++j) {
        const std::int64_t column = std::clamp<std::int64_t>(j - how.dx, 0, p.w - 1);
        const T* pixel = row + (how.flip ? p.w - 1 - column : column) * p.channels;
        for (std::int64_t c = 0; c < p.channels; ++c)
          *out++ = std::clamp(how.factor * pixel[c] + how.offset, T(0), T(1));
      }
    }
  });
}

}  // namespace

extern const AugmentImageRow augment_image_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const AugmentImageParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const AugmentImageParams& p, ConstView x,
       std::span<const ImageAugmentation> augmentations, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), augmentations, y.as<T>());
      });
    },
};

}  // namespace duet
