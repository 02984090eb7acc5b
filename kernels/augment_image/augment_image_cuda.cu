#include "kernels/augment_image/augment_image.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256;

__device__ __forceinline__ int clamp(std::int64_t value, int high) {
  return value < 0 ? 0 : value > high ? high : static_cast<int>(value);
}

/// One thread an element; `blocks` blocks a picture.
template <class T>
__global__ void __launch_bounds__(block_threads)
    augment(int h, int w, int channels, unsigned blocks, const ImageAugmentation* augmentations,
            const T* x, T* y) {
  const unsigned n = blockIdx.x / blocks;
  const int size = h * w * channels;
  const int at = static_cast<int>(blockIdx.x % blocks * block_threads + threadIdx.x);
  if (at >= size) return;
  const ImageAugmentation how = augmentations[n];
  const int c = at % channels, j = at / channels % w, i = at / channels / w;
  const int row = clamp(std::int64_t{i} - how.dy, h - 1);
  const int moved = clamp(std::int64_t{j} - how.dx, w - 1);
  const int column = how.flip ? w - 1 - moved : moved;
  const std::int64_t picture = std::int64_t{n} * size;
  const T value = how.factor * x[picture + (row * w + column) * channels + c] + how.offset;
  y[picture + at] = value < 0 ? T(0) : value > 1 ? T(1) : value;
}

}  // namespace

extern const AugmentImageRow augment_image_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const AugmentImageParams& p, DType dtype) {
      if (p.h * p.w * p.channels > std::int64_t{1} << 30)
        return Support::no("takes pictures of at most 2^30 elements");
      return any_floating(dtype);
    },
    [](Exec& exec, const AugmentImageParams& p, ConstView x,
       std::span<const ImageAugmentation> augmentations, View y) {
      const std::int64_t size = p.h * p.w * p.channels;
      if (p.n == 0 || size == 0) return;
      const auto blocks = static_cast<unsigned>((size + block_threads - 1) / block_threads);
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        simt::launch(exec.stream, augment<T>, static_cast<unsigned>(p.n) * blocks, block_threads, 0,
                     static_cast<int>(p.h), static_cast<int>(p.w), static_cast<int>(p.channels),
                     blocks, augmentations.data(), x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
