#include "engine/ops/linear.h"

#include "engine/ops/reduce.h"
#include "engine/ops/run.h"
#include "kernels/linear/linear.h"

namespace duet {
namespace {

struct LinearCall {
  LinearParams params;
  const LinearRow* row;
};

struct LinearFunction {
  static constexpr const char* name = "linear";

  static Tensor forward(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const LinearParams& params) {
    const LinearRow& row = select_row(linear_rows(), params, x);
    Tensor y = Tensor::empty({params.n, params.out_features}, x.dtype(), x.device());
    OpExec exec(x.device());
    row.forward(exec, params, x, weight, bias.view(), y);
    context.save({x, weight});
    context.store(LinearCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<LinearCall>();
    const Tensor &x = context.saved(0), &weight = context.saved(1);
    Gradients gradients(3);
    if (context.needs_grad(0)) {
      gradients[0] = Tensor::empty(x.shape(), x.dtype(), x.device());
      OpExec exec(x.device());
      row->backward_data(exec, params, grad_y, weight, gradients[0]);
    }
    if (context.needs_grad(1)) {
      gradients[1] = Tensor::empty(weight.shape(), x.dtype(), x.device());
      OpExec exec(x.device());
      row->backward_weights(exec, params, x, grad_y, gradients[1]);
    }
    if (context.needs_grad(2)) gradients[2] = sum_leading(grad_y, 1);
    return gradients;
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  require(x.shape().rank() == 2 && weight.shape().rank() == 2,
          "[linear] x is (N, I) and weight (O, I), these have shapes {} and {}",
          to_string(x.shape()), to_string(weight.shape()));
  require(x.dim(1) == weight.dim(1), "[linear] weight takes {} features, x has {}", weight.dim(1),
          x.dim(1));
  require(!bias || bias.shape() == Shape{weight.dim(0)},
          "[linear] bias has shape {}, weight has {} outputs",
          to_string(bias ? bias.shape() : Shape{}), weight.dim(0));
  require_same_kind("linear", "weight", x, weight);
  return apply<LinearFunction>(x, weight, bias, LinearParams{x.dim(0), x.dim(1), weight.dim(0)});
}

}  // namespace duet
