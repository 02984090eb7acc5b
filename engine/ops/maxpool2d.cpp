#include "engine/ops/maxpool2d.h"

#include "engine/ops/run.h"
#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {
namespace {

struct MaxPool2dCall {
  MaxPool2dParams params;
  const MaxPool2dRow* row;
};

struct MaxPool2dFunction {
  static constexpr const char* name = "maxpool2d";

  static Tensor forward(Context& context, const Tensor& x, const MaxPool2dParams& params) {
    const MaxPool2dRow& row = select_row(maxpool2d_rows(), params, x);
    Tensor y = Tensor::empty(params.y_shape(), x.dtype(), x.device());
    const Tensor tap = Tensor::empty(params.y_shape(), DType::u8, x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, y, tap);
    context.save({tap});
    context.store(MaxPool2dCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<MaxPool2dCall>();
    const Tensor grad_x = Tensor::empty(params.x_shape(), grad_y.dtype(), grad_y.device());
    OpExec exec(*row, grad_y.device());
    row->backward(exec, params, context.saved(0), grad_y, grad_x);
    return {grad_x};
  }
};

}  // namespace

Tensor maxpool2d(const Tensor& x, std::int64_t kernel, std::int64_t stride) {
  require(x.shape().rank() == 4, "[maxpool2d] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  require(kernel > 0 && stride > 0 && x.dim(1) >= kernel && x.dim(2) >= kernel,
          "[maxpool2d] a window of {0}×{0} with stride {1} does not fit in an image of {2}×{3}",
          kernel, stride, x.dim(1), x.dim(2));
  return apply<MaxPool2dFunction>(
      x, MaxPool2dParams{x.dim(0), x.dim(1), x.dim(2), x.dim(3), kernel, stride});
}

}  // namespace duet
