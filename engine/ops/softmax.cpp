#include "engine/ops/softmax.h"

#include "engine/ops/run.h"
#include "kernels/softmax/softmax.h"

namespace duet {
namespace {

struct SoftmaxFunction {
  static constexpr const char* name = "softmax";

  static Tensor forward(Context& context, const Tensor& x) {
    const SoftmaxParams params{x.numel() / x.dim(-1), x.dim(-1)};
    const SoftmaxRow& row = select_row(softmax_rows(), params, x);
    Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, y);
    context.save({y});
    context.store(&row);
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const Tensor& y = context.saved(0);
    const Tensor grad_x = Tensor::empty(y.shape(), y.dtype(), y.device());
    const SoftmaxRow& row = *context.stored<const SoftmaxRow*>();
    OpExec exec(row, y.device());
    row.backward(exec, {y.numel() / y.dim(-1), y.dim(-1)}, y, grad_y, grad_x);
    return {grad_x};
  }
};

}  // namespace

Tensor softmax(const Tensor& x) {
  require(x.shape().rank() > 0 && x.dim(-1) > 0, "[softmax] x has shape {}", to_string(x.shape()));
  return apply<SoftmaxFunction>(x);
}

}  // namespace duet
