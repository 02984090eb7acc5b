#pragma once
/// Ops of an input, a weight and perhaps a bias whose rows have the same three functions:
/// convolution and linear layers. Where forward ends in a ReLU, its row's backward turns the
/// gradient of y into that of the sums.

#include "engine/ops/reduce.h"
#include "engine/ops/run.h"
#include "kernels/relu/relu.h"

namespace duet {

/// `Op` names the op (`name`), its row type (`Row`), its list (`rows()`), the shape of a result
/// (`y_shape(params)`) and whether the gradient of the weights is grad_yᵀ · x
/// (`weight_gradient_is_product`).
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
    context.save({x, weight, params.relu ? y : Tensor()});
    context.store(Call{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_result) {
    const auto& [params, row] = context.template stored<Call>();
    const Tensor &x = context.saved(0), &weight = context.saved(1), &y = context.saved(2);
    Gradients gradients(3);
    Tensor grad_y = grad_result;
    if (params.relu) {
      grad_y = Tensor::empty(y.shape(), y.dtype(), y.device());
      const ReluParams elements{y.numel()};
      const ReluRow& relu = select_row(relu_rows(), elements, y);
      OpExec exec(relu, x.device());
      relu.backward(exec, elements, y, grad_result, grad_y);
    }
    if (context.needs_grad(2)) gradients[2] = sum_leading(grad_y, 1);
    if (context.needs_grad(0)) {
      gradients[0] = Tensor::empty(x.shape(), x.dtype(), x.device());
      OpExec exec(*row, x.device());
      row->backward_data(exec, params, grad_y, weight, gradients[0]);
    }
    if (context.needs_grad(1)) {
      const auto multiply = [=, params = params, row = row](const Tensor& grad_weight) {
        OpExec exec(*row, x.device());
        row->backward_weights(exec, params, x, grad_y, grad_weight);
      };
      // A row that was chosen by name or kind also multiplies.
      const Impl& impl = current_impl();
      const bool chosen = impl.preferred || impl.forced.contains(Op::name);
      if (FactorsScope::open() && Op::weight_gradient_is_product && !chosen &&
          2 * (x.numel() + grad_y.numel()) <= weight.numel() && x.dtype() != DType::bf16) {
        gradients[1] = Tensor::product_of(grad_y, x, multiply);
      } else {
        gradients[1] = Tensor::empty(weight.shape(), x.dtype(), x.device());
        multiply(gradients[1]);
      }
    }
    return gradients;
  }
};

}  // namespace duet
