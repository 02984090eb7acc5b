#include "engine/ops/cast.h"

#include "engine/ops/run.h"
#include "kernels/cast/cast.h"

namespace duet {
namespace {

struct CastFunction {
  static constexpr const char* name = "cast";

  static Tensor forward(Context& context, const Tensor& x, DType dtype) {
    const CastParams params{x.numel(), dtype};
    const CastRow& row = select_row(cast_rows(), params, x);
    Tensor y = Tensor::empty(x.shape(), dtype, x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, y);
    context.store(x.dtype());
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    return {cast(grad_y, context.stored<DType>())};
  }
};

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  return x.dtype() == dtype ? x : apply<CastFunction>(x, dtype);
}

}  // namespace duet
