#include "engine/ops/permute.h"

#include "engine/ops/reshape.h"
#include "engine/ops/run.h"
#include "kernels/permute/permute.h"

namespace duet {
namespace {

Tensor run(const PermuteParams& params, const Tensor& x) {
  Tensor y = Tensor::empty(params.y_shape(), x.dtype(), x.device());
  const PermuteRow& row = select_row(permute_rows(), params, x);
  OpExec exec(row, x.device());
  row.forward(exec, params, x, y);
  return y;
}

struct PermuteFunction {
  static constexpr const char* name = "permute";

  static Tensor forward(Context& context, const Tensor& x, const PermuteParams& params) {
    context.store(params);
    return run(params, x);
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    return {run(context.stored<PermuteParams>().inverse(), grad_y)};
  }
};

}  // namespace

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  bool valid = static_cast<int>(axes.size()) == x.shape().rank();
  for (std::size_t i = 0; valid && i < sorted.size(); ++i) valid = sorted[i] == static_cast<int>(i);
  require(valid, "[permute] axes ({}) are no permutation of the dimensions of shape {}",
          fmt::join(axes, ", "), to_string(x.shape()));
  return apply<PermuteFunction>(x, PermuteParams{x.shape(), axes});
}

Tensor flatten_chw(const Tensor& x) {
  require(x.shape().rank() == 4, "[flatten_chw] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  return reshape(permute(x, {0, 3, 1, 2}), {x.dim(0), x.numel() / x.dim(0)});
}

}  // namespace duet
