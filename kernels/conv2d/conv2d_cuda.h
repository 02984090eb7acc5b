#pragma once
/// What the handwritten CUDA rows share.

#include "kernels/conv2d/conv2d.h"

namespace duet {

/// Conv2dParams as kernels take them: 32-bit sizes, whose index arithmetic is fast.
struct Conv2dGeometry {
  int n, h, w, in_channels, out_channels, kernel_h, kernel_w;
  int stride_h, stride_w, pad_h, pad_w, out_h, out_w;

  explicit Conv2dGeometry(const Conv2dParams& c)
      : n(static_cast<int>(c.n)),
        h(static_cast<int>(c.h)),
        w(static_cast<int>(c.w)),
        in_channels(static_cast<int>(c.in_channels)),
        out_channels(static_cast<int>(c.out_channels)),
        kernel_h(static_cast<int>(c.kernel_h)),
        kernel_w(static_cast<int>(c.kernel_w)),
        stride_h(static_cast<int>(c.stride_h)),
        stride_w(static_cast<int>(c.stride_w)),
        pad_h(static_cast<int>(c.pad_h)),
        pad_w(static_cast<int>(c.pad_w)),
        out_h(static_cast<int>(c.out_h())),
        out_w(static_cast<int>(c.out_w())) {}
};

/// Whether Conv2dGeometry holds the sizes, and 32 bits an index into one image, into the weights
/// and among all pixels.
inline Support fits_in_32_bits(const Conv2dParams& c) {
  constexpr std::int64_t limit = std::int64_t{1} << 30;
  const std::int64_t out_pixels = c.out_h() * c.out_w();
  const std::int64_t largest =
      std::max({c.n * c.h * c.w, c.n * out_pixels, c.h * c.w * c.in_channels,
                out_pixels * c.out_channels, c.weight_shape().numel(), c.pad_h, c.pad_w});
  if (largest >= limit)
    return Support::no("takes fewer than 2^30 pixels, elements of an image and weights");
  return Support::yes();
}

}  // namespace duet
