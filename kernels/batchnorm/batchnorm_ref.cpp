#include <cmath>

#include "kernels/batchnorm/batchnorm.h"

namespace duet {
namespace {

template <class T>
void forward(const BatchNormParams& p, const T* x, const T* weight, const T* bias, T* mean, T* var,
             const RunningStatistics<T>& running, T* y) {
  for (std::int64_t c = 0; c < p.channels; ++c) {
    if (p.training) {
      double sum = 0, squares = 0;
      for (std::int64_t r = 0; r < p.rows; ++r) sum += x[r * p.channels + c];
      const double m = sum / p.rows;
      for (std::int64_t r = 0; r < p.rows; ++r) {
        const double d = x[r * p.channels + c] - m;
        squares += d * d;
      }
      mean[c] = static_cast<T>(m);
      var[c] = static_cast<T>(squares / p.rows);
      running.follow(p, c, mean[c], var[c]);
    }
    const double scale = weight[c] / std::sqrt(var[c] + p.eps);
    for (std::int64_t r = 0; r < p.rows; ++r)
      y[r * p.channels + c] = static_cast<T>((x[r * p.channels + c] - mean[c]) * scale + bias[c]);
  }
}

/// With x̂ = (x − mean)/σ, g = grad_y: grad_bias = Σ g, grad_weight = Σ g·x̂, and in training
/// grad_x = weight/σ · (g − Σg/rows − x̂ · Σ(g·x̂)/rows); in inference the two sums do not depend on
/// x.
template <class T>
void backward(const BatchNormParams& p, const T* x, const T* grad_y, const T* weight, const T* mean,
              const T* var, T* grad_x, T* grad_weight, T* grad_bias) {
  for (std::int64_t c = 0; c < p.channels; ++c) {
    const double inv_std = 1.0 / std::sqrt(var[c] + p.eps);
    double sum = 0, dot = 0;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const std::int64_t i = r * p.channels + c;
      sum += grad_y[i];
      dot += grad_y[i] * (x[i] - mean[c]) * inv_std;
    }
    grad_bias[c] = static_cast<T>(sum);
    grad_weight[c] = static_cast<T>(dot);
    const double a = p.training ? sum / p.rows : 0, b = p.training ? dot / p.rows : 0;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const std::int64_t i = r * p.channels + c;
      const double normalised = (x[i] - mean[c]) * inv_std;
      grad_x[i] = static_cast<T>(weight[c] * inv_std * (grad_y[i] - a - normalised * b));
    }
  }
}

}  // namespace

extern const BatchNormRow batchnorm_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const BatchNormParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const BatchNormParams& p, ConstView x, ConstView weight, ConstView bias, View mean,
       View var, View running_mean, View running_var, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), weight.as<T>(), bias.as<T>(), mean.as<T>(), var.as<T>(),
                   RunningStatistics<T>{running_mean.as<T>(), running_var.as<T>()}, y.as<T>());
      });
    },
    [](Exec&, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(p, x.as<T>(), grad_y.as<T>(), weight.as<T>(), mean.as<T>(), var.as<T>(),
                    grad_x.as<T>(), grad_weight.as<T>(), grad_bias.as<T>());
      });
    },
};

}  // namespace duet
