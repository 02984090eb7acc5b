#include "engine/ops/unary.h"

#include "engine/ops/run.h"
#include "kernels/unary/unary.h"

namespace duet {
namespace {

struct UnaryCall {
  UnaryParams params;
  const UnaryRow* row;
};

struct UnaryFunction {
  static constexpr const char* name = "unary";

  static Tensor forward(Context& context, const Tensor& x, const UnaryParams& params) {
    const UnaryRow& row = select_row(unary_rows(), params, x);
    Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, y);
    context.save({x, y});
    context.store(UnaryCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<UnaryCall>();
    const Tensor grad_x = Tensor::empty(grad_y.shape(), grad_y.dtype(), grad_y.device());
    OpExec exec(*row, grad_y.device());
    row->backward(exec, params, context.saved(0), context.saved(1), grad_y, grad_x);
    return {grad_x};
  }
};

Tensor unary(UnaryOp op, const Tensor& x, double scale = 1, double offset = 0) {
  return apply<UnaryFunction>(x, UnaryParams{op, x.numel(), scale, offset});
}

}  // namespace

Tensor affine(const Tensor& x, double scale, double offset) {
  return unary(UnaryOp::affine, x, scale, offset);
}
Tensor square(const Tensor& x) { return unary(UnaryOp::square, x); }
Tensor sqrt(const Tensor& x) { return unary(UnaryOp::sqrt, x); }
Tensor exp(const Tensor& x) { return unary(UnaryOp::exp, x); }
Tensor log(const Tensor& x) { return unary(UnaryOp::log, x); }
Tensor sigmoid(const Tensor& x) { return unary(UnaryOp::sigmoid, x); }
Tensor tanh(const Tensor& x) { return unary(UnaryOp::tanh, x); }

}  // namespace duet
