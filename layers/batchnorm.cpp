#include "layers/batchnorm.h"

#include "engine/ops/batchnorm.h"

namespace duet {

BatchNorm::BatchNorm(Build& build, std::int64_t channels, double momentum, double eps)
    : momentum_(momentum),
      eps_(eps),
      weight_(add_parameter("weight", Tensor::full({channels}, 1, build.dtype, build.device))),
      bias_(add_parameter("bias", Tensor::zeros({channels}, build.dtype, build.device))),
      running_mean_(
          add_buffer("running_mean", Tensor::zeros({channels}, build.dtype, build.device))),
      running_var_(
          add_buffer("running_var", Tensor::full({channels}, 1, build.dtype, build.device))) {}

Tensor BatchNorm::forward(const Tensor& x) {
  const NameScope scope(name());
  if (mode() == Mode::evaluation)
    return batchnorm_inference(x, weight_, bias_, eps_, running_mean_, running_var_);

  const std::int64_t channels = x.dim(-1);
  const Tensor batch_mean = Tensor::empty({channels}, x.dtype(), x.device());
  const Tensor batch_var = Tensor::empty({channels}, x.dtype(), x.device());
  Tensor y = batchnorm_training(x, weight_, bias_, eps_, batch_mean, batch_var);
  const double rows = static_cast<double>(x.numel() / channels);
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T *mean = batch_mean.data<T>(), *var = batch_var.data<T>();
    T *running_mean = running_mean_.data<T>(), *running_var = running_var_.data<T>();
    for (std::int64_t c = 0; c < channels; ++c) {
      if (mode() == Mode::training) {
        const double unbiased = var[c] * rows / (rows - 1);
        running_mean[c] += static_cast<T>(momentum_ * (mean[c] - running_mean[c]));
        running_var[c] += static_cast<T>(momentum_ * (unbiased - running_var[c]));
      } else {
        const double m = mean[c];
        sum_[c] += rows * m;
        sum_of_squares_[c] += rows * (var[c] + m * m);
      }
    }
  });
  if (mode() == Mode::estimation) rows_seen_ += rows;
  return y;
}

void BatchNorm::on_mode(Mode next) {
  if (mode() == Mode::estimation && rows_seen_ > 1)
    dispatch_floating(running_mean_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (std::size_t c = 0; c < sum_.size(); ++c) {
        const double mean = sum_[c] / rows_seen_;
        const double var = std::max(0.0, sum_of_squares_[c] / rows_seen_ - mean * mean);
        running_mean_.data<T>()[c] = static_cast<T>(mean);
        running_var_.data<T>()[c] = static_cast<T>(var * rows_seen_ / (rows_seen_ - 1));
      }
    });
  rows_seen_ = 0;
  const std::size_t channels = next == Mode::estimation ? running_mean_.numel() : 0;
  sum_.assign(channels, 0);
  sum_of_squares_.assign(channels, 0);
}

}  // namespace duet
