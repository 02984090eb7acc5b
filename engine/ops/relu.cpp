#include "engine/ops/relu.h"

#include "engine/ops/run.h"
#include "kernels/relu/relu.h"

namespace duet {
namespace {

struct ReluFunction {
  static constexpr const char* name = "relu";

  static Tensor forward(Context& context, const Tensor& x) {
    const ReluParams params{x.numel()};
    const ReluRow& row = select_row(relu_rows(), params, x);
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
    const ReluRow& row = *context.stored<const ReluRow*>();
    OpExec exec(row, y.device());
    row.backward(exec, {y.numel()}, y, grad_y, grad_x);
    return {grad_x};
  }
};

}  // namespace

Tensor relu(const Tensor& x) { return apply<ReluFunction>(x); }

}  // namespace duet
