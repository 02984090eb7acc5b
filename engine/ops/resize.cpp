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

}  // namespace duet
