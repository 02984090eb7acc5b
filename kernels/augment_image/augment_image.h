#pragma once
/// Augmentation of pictures, each with its own settings: mirrored, then moved, then made brighter
/// or darker.
///
///   y[i, j, c] = clamp(factor · m[clamp(i − dy), clamp(j − dx), c] + offset, 0, 1)
///
/// where m is x, or x with its columns reversed; a border that comes into view repeats the
/// outermost pixel.

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct ImageAugmentation {
  bool flip = false;            ///< left and right exchanged
  std::int32_t dx = 0, dy = 0;  ///< pixels, positive is to the right and down
  float factor = 1, offset = 0;
};

struct AugmentImageParams {
  std::int64_t n, h, w, channels;

  Shape shape() const { return {n, h, w, channels}; }
};
std::string describe(const AugmentImageParams& p);
/// Throws Error unless there are as many augmentations as pictures.
void check(const AugmentImageParams& p, std::span<const ImageAugmentation> augmentations);

struct AugmentImageRow : RowInfo {
  using Params = AugmentImageParams;
  Support (*supports)(const Params&, DType);
  /// x (N, H, W, C) in 0 … 1, one augmentation per picture (N, in the device's memory) → y (N, H,
  /// W, C) in 0 … 1, which must not be x.
  void (*forward)(Exec&, const Params&, ConstView x, std::span<const ImageAugmentation>, View y);
};

RowList<AugmentImageRow>& augment_image_rows();

}  // namespace duet
