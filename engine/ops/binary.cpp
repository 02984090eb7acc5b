#include "engine/ops/binary.h"

#include "engine/ops/reduce.h"
#include "engine/ops/run.h"
#include "engine/ops/unary.h"
#include "kernels/binary/binary.h"

namespace duet {
namespace {

Tensor run(BinaryOp op, const Tensor& a, const Tensor& b) {
  const BinaryParams params = BinaryParams::broadcast(op, a.shape(), b.shape());
  Tensor y = Tensor::empty(params.shape, a.dtype(), a.device());
  const BinaryRow& row = select_row(binary_rows(), params, a);
  OpExec exec(row, a.device());
  row.forward(exec, params, a, b, y);
  return y;
}

struct BinaryFunction {
  static constexpr const char* name = "binary";

  static Tensor forward(Context& context, const Tensor& a, const Tensor& b, BinaryOp op) {
    context.save({a, b});
    context.store(op);
    return run(op, a, b);
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const Tensor &a = context.saved(0), &b = context.saved(1);
    Tensor grad_a, grad_b;
    switch (context.stored<BinaryOp>()) {
      case BinaryOp::add: grad_a = grad_b = grad_y; break;
      case BinaryOp::subtract:
        grad_a = grad_y;
        grad_b = affine(grad_y, -1);
        break;
      case BinaryOp::multiply:
        if (context.needs_grad(0)) grad_a = grad_y * b;
        if (context.needs_grad(1)) grad_b = grad_y * a;
        break;
      case BinaryOp::divide:
        if (context.needs_grad(0)) grad_a = grad_y / b;
        if (context.needs_grad(1)) grad_b = affine(grad_y * a / (b * b), -1);
        break;
    }
    return {grad_a ? sum_to(grad_a, a.shape()) : grad_a,
            grad_b ? sum_to(grad_b, b.shape()) : grad_b};
  }
};

Tensor binary(BinaryOp op, const Tensor& a, const Tensor& b) {
  require_same_kind(to_string(op), "the second operand", a, b);
  return apply<BinaryFunction>(a, b, op);
}

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return binary(BinaryOp::add, a, b); }
Tensor subtract(const Tensor& a, const Tensor& b) { return binary(BinaryOp::subtract, a, b); }
Tensor multiply(const Tensor& a, const Tensor& b) { return binary(BinaryOp::multiply, a, b); }
Tensor divide(const Tensor& a, const Tensor& b) { return binary(BinaryOp::divide, a, b); }

}  // namespace duet
