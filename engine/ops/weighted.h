#pragma once
/// Ops of an input, a weight and perhaps a bias whose rows have the same three functions:
/// convolution and linear layers.

#include "engine/ops/reduce.h"
#include "engine/ops/run.h"

namespace duet {

/// `Op` names the op (`name`), its row type (`Row`), its list (`rows()`) and the shape of a result
/// (`y_shape(params)`).
template <class Op>
struct WeightedFunction {
  using Row = typename Op::Row;
  using Params = typename Row::Params;
  static constexpr const char* name = Op::name;

  struct Call {
    Params params;
    const Row* row;
  };

  static Tensor forward(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Params& params) {
    const Row& row = select_row(Op::rows(), params, x);
    Tensor y = Tensor::empty(Op::y_shape(params), x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, weight, bias.view(), y);
    context.save({x, weight});
    context.store(Call{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.template stored<Call>();
    const Tensor &x = context.saved(0), &weight = context.saved(1);
    Gradients gradients(3);
    OpExec exec(*row, x.device());
    if (context.needs_grad(0)) {
      gradients[0] = Tensor::empty(x.shape(), x.dtype(), x.device());
      row->backward_data(exec, params, grad_y, weight, gradients[0]);
    }
    if (context.needs_grad(1)) {
      gradients[1] = Tensor::empty(weight.shape(), x.dtype(), x.device());
      row->backward_weights(exec, params, x, grad_y, gradients[1]);
    }
    if (context.needs_grad(2)) gradients[2] = sum_leading(grad_y, 1);
    return gradients;
  }
};

}  // namespace duet
