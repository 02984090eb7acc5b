#include "engine/ops/resize.h"

#include "engine/ops/run.h"
#include "kernels/resize/resize.h"

namespace duet {

Tensor resize(const Tensor& x, std::int64_t height, std::int64_t width) {
  require(x.shape().rank() == 4, "[resize] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  const ResizeParams params{x.dim(0), x.dim(1), x.dim(2), x.dim(3), height, width};
  check(params);
  Tensor y = Tensor::empty(params.y_shape(), x.dtype(), x.device());
  const ResizeRow& row = select_row(resize_rows(), params, x);
  OpExec exec(row, x.device());
  row.forward(exec, params, x, y);
  return y;
}

Tensor resize_pictures(const Tensor& slots, const Tensor& pictures, DType dtype) {
  require(slots.shape().rank() == 4, "[resize_pictures] slots are (N, S, S, 12), these are {}",
          to_string(slots.shape()));
  const ResizePicturesParams params{slots.dim(0), slots.dim(1)};
  require(slots.dtype() == DType::u8 && slots.shape() == params.slots_shape(),
          "[resize_pictures] slots are u8 {}, these are {} {}", to_string(params.slots_shape()),
          to_string(slots.dtype()), to_string(slots.shape()));
  const auto what = structs_in<SlotPicture>("resize_pictures", pictures, slots);
  check(params, what);
  Tensor y = Tensor::empty(params.y_shape(), dtype, slots.device());
  const ResizePicturesRow& row = resize_pictures_rows().select(params, dtype, slots.device().type);
  OpExec exec(row, slots.device());
  row.forward(exec, params, slots, what, y);
  return y;
}

}  // namespace duet
