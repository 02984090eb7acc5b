#include "engine/ops/block_tail.h"

#include "engine/ops/run.h"
#include "kernels/block_tail/block_tail.h"

namespace duet {
namespace {

struct BlockTailCall {
  BlockTailParams params;
  const BlockTailRow* row;
};

struct BlockTailFunction {
  static constexpr const char* name = "block_tail";

  static Tensor forward(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& mean, const Tensor& var, const Tensor& running_mean,
                        const Tensor& running_var, const BlockTailParams& params) {
    const BlockTailRow& row = select_row(block_tail_rows(), params, x);
    Tensor y = Tensor::empty(params.y_shape(), x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, weight, bias, mean, var, running_mean.view(), running_var.view(),
                y);
    context.save({x, weight, bias, mean, var});
    context.store(BlockTailCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<BlockTailCall>();
    const Tensor &x = context.saved(0), &weight = context.saved(1), &bias = context.saved(2);
    const Tensor grad_x = Tensor::empty(x.shape(), x.dtype(), x.device());
    const Tensor grad_weight = Tensor::empty(weight.shape(), weight.dtype(), x.device());
    const Tensor grad_bias = Tensor::empty(weight.shape(), weight.dtype(), x.device());
    OpExec exec(*row, x.device());
    row->backward(exec, params, x, grad_y, weight, bias, context.saved(3), context.saved(4), grad_x,
                  grad_weight, grad_bias);
    return {grad_x, grad_weight, grad_bias, {}, {}, {}, {}};
  }
};

Tensor block_tail(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                  const Tensor& var, const BatchNormStatistics& running,
                  const BlockTailOptions& options, BlockTailParams params) {
  require(x.shape().rank() == 4, "[block_tail] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  check_batchnorm_arguments("block_tail", x, weight, bias, mean, var, params.training);
  require(options.pool > 0 && x.dim(1) >= options.pool && x.dim(2) >= options.pool,
          "[block_tail] a window of {0}×{0} does not fit in an image of {1}×{2}", options.pool,
          x.dim(1), x.dim(2));
  require(options.dropout >= 0 && options.dropout < 1,
          "[block_tail] the probability of dropout is in [0, 1), not {}", options.dropout);
  params.n = x.dim(0);
  params.h = x.dim(1);
  params.w = x.dim(2);
  params.channels = x.dim(3);
  params.pool = options.pool;
  params.dropout = static_cast<float>(options.dropout);
  params.mask = options.mask;
  return apply<BlockTailFunction>(x, weight, bias, mean, var, running.mean, running.var, params);
}

}  // namespace

Tensor block_tail_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const BlockTailOptions& options, const BatchNormStatistics& statistics,
                           const BatchNormStatistics& running, double momentum) {
  return block_tail(x, weight, bias, or_new(statistics.mean, weight),
                    or_new(statistics.var, weight), running, options,
                    {.eps = eps, .training = true, .momentum = momentum});
}

Tensor block_tail_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                            const BlockTailOptions& options, const Tensor& mean,
                            const Tensor& var) {
  return block_tail(x, weight, bias, mean, var, {}, options, {.eps = eps, .training = false});
}

}  // namespace duet
