#include "engine/ops/batchnorm.h"

#include "engine/ops/run.h"
#include "kernels/batchnorm/batchnorm.h"

namespace duet {
namespace {

struct BatchNormCall {
  BatchNormParams params;
  const BatchNormRow* row;
};

struct BatchNormFunction {
  static constexpr const char* name = "batchnorm";

  static Tensor forward(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Tensor& mean, const Tensor& var, const Tensor& running_mean,
                        const Tensor& running_var, const BatchNormParams& params) {
    const BatchNormRow& row = select_row(batchnorm_rows(), params, x);
    Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
    OpExec exec(row, x.device());
    row.forward(exec, params, x, weight, bias, mean, var, running_mean.view(), running_var.view(),
                y);
    context.save({x, weight, mean, var});
    context.store(BatchNormCall{params, &row});
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const auto& [params, row] = context.stored<BatchNormCall>();
    const Tensor &x = context.saved(0), &weight = context.saved(1);
    const Tensor grad_x = Tensor::empty(x.shape(), x.dtype(), x.device());
    const Tensor grad_weight = Tensor::empty(weight.shape(), weight.dtype(), x.device());
    const Tensor grad_bias = Tensor::empty(weight.shape(), weight.dtype(), x.device());
    OpExec exec(*row, x.device());
    row->backward(exec, params, x, grad_y, weight, context.saved(2), context.saved(3), grad_x,
                  grad_weight, grad_bias);
    return {grad_x, grad_weight, grad_bias, {}, {}, {}, {}};
  }
};

Tensor batchnorm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                 const Tensor& var, const BatchNormStatistics& running, BatchNormParams params) {
  check_batchnorm_arguments("batchnorm", x, weight, bias, mean, var, params.training);
  params.channels = x.dim(-1);
  params.rows = x.numel() / params.channels;
  return apply<BatchNormFunction>(x, weight, bias, mean, var, running.mean, running.var, params);
}

}  // namespace

void check_batchnorm_arguments(const char* op, const Tensor& x, const Tensor& weight,
                               const Tensor& bias, const Tensor& mean, const Tensor& var,
                               bool training) {
  const std::int64_t channels = x.dim(-1);
  for (const Tensor* t : {&weight, &bias, &mean, &var})
    require(t->shape() == Shape{channels}, "[{}] x has {} channels, a parameter has shape {}", op,
            channels, to_string(t->shape()));
  require(weight.dtype() == wide(x.dtype()) && weight.device() == x.device(),
          "[{}] x is {} on {}, which takes weights in {} there, not {} on {}", op,
          to_string(x.dtype()), to_string(x.device().type), to_string(wide(x.dtype())),
          to_string(weight.dtype()), to_string(weight.device().type));
  require(!training || x.numel() / channels > 1,
          "[{}] one value a channel has no variance: x has shape {}", op, to_string(x.shape()));
}

Tensor batchnorm_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                          const BatchNormStatistics& statistics, const BatchNormStatistics& running,
                          double momentum) {
  return batchnorm(x, weight, bias, or_new(statistics.mean, weight), or_new(statistics.var, weight),
                   running, {.eps = eps, .training = true, .momentum = momentum});
}

Tensor batchnorm_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const Tensor& mean, const Tensor& var) {
  return batchnorm(x, weight, bias, mean, var, {}, {.eps = eps, .training = false});
}

}  // namespace duet
