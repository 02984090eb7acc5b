#pragma once
/// Pictures of any size, as they were decoded, resized to one size on the device: what `resize`
/// makes of x / 255.
///
/// Each picture lies in a slot as large as the result in f32. It holds the picture's pixels, u8
/// (h, w, 3), or, where those need more room, what they were resized to before, f32 (size, size, 3)
/// in 0 … 1. So all batches have one shape, and no picture travels that would be smaller resized.

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

/// What a slot holds: u8 pixels of this height and width, or, where they are 0, the result.
struct SlotPicture {
  std::int32_t h = 0, w = 0;
};

struct ResizePicturesParams {
  std::int64_t n, size;

  Shape y_shape() const { return {n, size, size, 3}; }
  static constexpr std::int64_t pixel_bytes = 3 * sizeof(float);
  Shape slots_shape() const { return {n, size, size, pixel_bytes}; }
  DUET_HOST_DEVICE std::int64_t slot_bytes() const { return size * size * pixel_bytes; }
  /// Whether the pixels of a picture have room in a slot.
  bool has_room(std::int64_t h, std::int64_t w) const { return 3 * h * w <= slot_bytes(); }
};
std::string describe(const ResizePicturesParams& p);
/// Throws Error unless there are as many pictures as slots.
void check(const ResizePicturesParams& p, std::span<const SlotPicture> pictures);

struct ResizePicturesRow : RowInfo {
  using Params = ResizePicturesParams;
  /// Of the result's type.
  Support (*supports)(const Params&, DType);
  /// slots u8 (N, size, size, 12), what is in them (N, in the device's memory) → y (N, size, size,
  /// 3) in 0 … 1.
  void (*forward)(Exec&, const Params&, ConstView slots, std::span<const SlotPicture>, View y);
};

RowList<ResizePicturesRow>& resize_pictures_rows();

}  // namespace duet
