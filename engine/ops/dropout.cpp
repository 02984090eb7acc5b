#include "engine/ops/dropout.h"

#include "engine/ops/run.h"
#include "kernels/dropout/dropout.h"

namespace duet {
namespace {

struct DropoutCall {
  DropoutParams params;
  const DropoutRow* row;
};

Tensor run(const DropoutCall& call, const Tensor& x) {
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  OpExec exec(*call.row, x.device());
  call.row->apply(exec, call.params, x, y);
  return y;
}

struct DropoutFunction {
  static constexpr const char* name = "dropout";

  static Tensor forward(Context& context, const Tensor& x, const DropoutParams& params) {
    const DropoutCall call{params, &select_row(dropout_rows(), params, x)};
    context.store(call);
    return run(call, x);
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    return {run(context.stored<DropoutCall>(), grad_y)};
  }
};

}  // namespace

Tensor dropout(const Tensor& x, double p, const DropoutMask& mask) {
  require(p >= 0 && p < 1, "[dropout] the probability is in [0, 1), not {}", p);
  if (p == 0) return x;
  return apply<DropoutFunction>(x, DropoutParams{x.numel(), static_cast<float>(p), mask});
}

}  // namespace duet
