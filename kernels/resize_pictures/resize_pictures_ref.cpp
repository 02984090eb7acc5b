#include "kernels/resize/triangle.h"
#include "kernels/resize_pictures/resize_pictures.h"

namespace duet {
namespace {

template <class T>
void resize(const std::uint8_t* x, SlotPicture picture, std::int64_t size, T* y) {
  const auto rows = triangle_taps<T>(picture.h, size), columns = triangle_taps<T>(picture.w, size);
  for (const Taps<T>& row : rows)
    for (const Taps<T>& column : columns)
      for (std::int64_t c = 0; c < 3; ++c) {
        T sum = 0;
        for (std::int64_t r = 0; r < std::ssize(row.weights); ++r)
          for (std::int64_t s = 0; s < std::ssize(column.weights); ++s)
            sum += row.weights[r] * column.weights[s] *
                   x[((row.first + r) * picture.w + column.first + s) * 3 + c];
        *y++ = sum / 255;
      }
}

}  // namespace

extern const ResizePicturesRow resize_pictures_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const ResizePicturesParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const ResizePicturesParams& p, ConstView slots, std::span<const SlotPicture> pictures,
       View y) {
      dispatch_floating(y.dtype, [&](auto zero) {
        using T = decltype(zero);
        const std::int64_t elements = p.size * p.size * 3;
        for (std::int64_t n = 0; n < p.n; ++n) {
          const std::uint8_t* const slot = slots.as<std::uint8_t>() + n * p.slot_bytes();
          T* const out = y.as<T>() + n * elements;
          if (pictures[n].h > 0)
            resize(slot, pictures[n], p.size, out);
          else
            std::copy_n(reinterpret_cast<const float*>(slot), elements, out);
        }
      });
    },
};

}  // namespace duet
