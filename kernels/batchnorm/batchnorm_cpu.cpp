#include "kernels/batchnorm/batchnorm_cpu.h"

namespace duet {
namespace {

using namespace batchnorm_parts;

template <class T>
void forward(Exec& exec, const BatchNormParams& p, const T* x, const T* weight, const T* bias,
             T* mean, T* var, const RunningStatistics<T>& running, T* y) {
  const std::int64_t channels = p.channels;
  if (p.training) batch_statistics(exec, p, x, mean, var, running);
  const Normalisation<T> n(p, weight, bias, mean, var);
  parallel_for(p.rows, chunk_rows,
               [&, a = n.scale.data(), b = n.offset.data()](auto begin, auto end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   for (std::int64_t c = 0; c < channels; ++c)
                     y[r * channels + c] = x[r * channels + c] * a[c] + b[c];
               });
}

template <class T>
void backward(Exec& exec, const BatchNormParams& p, const T* x, const T* grad_y, const T* weight,
              const T* mean, const T* var, T* grad_x, T* grad_weight, T* grad_bias) {
  const std::int64_t channels = p.channels;
  const std::vector<double> sums =
      column_sums<T>(p.rows, chunk_rows, channels, exec.workspace,
                     [=](std::int64_t r, T* __restrict sum, T* __restrict dot) {
                       const std::int64_t row = r * channels;
                       for (std::int64_t c = 0; c < channels; ++c) {
                         sum[c] += grad_y[row + c];
                         dot[c] += grad_y[row + c] * (x[row + c] - mean[c]);
                       }
                     });
  const InputGradient<T> gradient(p, sums, weight, mean, var, grad_weight, grad_bias);
  parallel_for(p.rows, chunk_rows,
               [&, k = gradient.k.data(), a = gradient.a.data(), b = gradient.b.data()](auto begin,
                                                                                        auto end) {
                 for (std::int64_t r = begin; r < end; ++r)
                   for (std::int64_t c = 0; c < channels; ++c) {
                     const std::int64_t i = r * channels + c;
                     grad_x[i] = k[c] * grad_y[i] + a[c] * x[i] + b[c];
                   }
               });
}

}  // namespace

extern const BatchNormRow batchnorm_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const BatchNormParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), weight.as<T>(), bias.as<T>(), mean.as<T>(), var.as<T>(),
                   RunningStatistics<T>{running_mean.as<T>(), running_var.as<T>()}, y.as<T>());
      });
    },
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView mean, ConstView var, View grad_x, View grad_weight, View grad_bias) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(exec, p, x.as<T>(), grad_y.as<T>(), weight.as<T>(), mean.as<T>(), var.as<T>(),
                    grad_x.as<T>(), grad_weight.as<T>(), grad_bias.as<T>());
      });
    },
};

}  // namespace duet
