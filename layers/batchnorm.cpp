#include "layers/batchnorm.h"

#include <cmath>

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

template <class Training, class Inference>
Tensor BatchNorm::by_mode(const Tensor& x, Training&& training, Inference&& inference) {
  const NameScope scope(name());
  if (mode() == Mode::evaluation) return inference();
  if (mode() == Mode::training)
    return training(BatchNormStatistics{}, BatchNormStatistics{running_mean_, running_var_});
  const BatchNormStatistics batch{or_new({}, weight_), or_new({}, weight_)};
  Tensor y = training(batch, BatchNormStatistics{});
  const std::int64_t channels = x.dim(-1);
  const double rows = static_cast<double>(x.numel() / channels);
  const Tensor mean = batch.mean.to(DType::f64).to(Device{});
  const Tensor var = batch.var.to(DType::f64).to(Device{});
  for (std::int64_t c = 0; c < channels; ++c) {
    const double m = mean.data<double>()[c];
    sum_[c] += rows * m;
    sum_of_squares_[c] += rows * (var.data<double>()[c] + m * m);
  }
  rows_seen_ += rows;
  return y;
}

Tensor BatchNorm::forward(const Tensor& x) {
  return by_mode(
      x,
      [&](const auto& statistics, const auto& running) {
        return batchnorm_training(x, weight_, bias_, eps_, statistics, running, momentum_);
      },
      [&] { return batchnorm_inference(x, weight_, bias_, eps_, running_mean_, running_var_); });
}

Tensor BatchNorm::forward(const Tensor& x, const BlockTailOptions& tail) {
  return by_mode(
      x,
      [&](const auto& statistics, const auto& running) {
        return block_tail_training(x, weight_, bias_, eps_, tail, statistics, running, momentum_);
      },
      [&] {
        return block_tail_inference(x, weight_, bias_, eps_, tail, running_mean_, running_var_);
      });
}

ChannelAffine BatchNorm::affine() const {
  const auto values = [](const Tensor& tensor) { return tensor.to(Device{}).to(DType::f64); };
  const Tensor weight = values(weight_), bias = values(bias_), mean = values(running_mean_),
               var = values(running_var_);
  ChannelAffine affine;
  for (std::int64_t c = 0; c < weight.numel(); ++c) {
    const double scale = weight.data<double>()[c] / std::sqrt(var.data<double>()[c] + eps_);
    affine.scale.push_back(scale);
    affine.shift.push_back(bias.data<double>()[c] - mean.data<double>()[c] * scale);
  }
  return affine;
}

void BatchNorm::on_mode(Mode next) {
  if (mode() == Mode::estimation && rows_seen_ > 1) {
    std::vector<double> means, vars;
    for (std::size_t c = 0; c < sum_.size(); ++c) {
      const double mean = sum_[c] / rows_seen_;
      const double var = std::max(0.0, sum_of_squares_[c] / rows_seen_ - mean * mean);
      means.push_back(mean);
      vars.push_back(var * rows_seen_ / (rows_seen_ - 1));
    }
    const Shape shape = running_mean_.shape();
    running_mean_.copy_from(Tensor::from(means, shape).to(running_mean_.dtype()));
    running_var_.copy_from(Tensor::from(vars, shape).to(running_var_.dtype()));
  }
  rows_seen_ = 0;
  const std::size_t channels = next == Mode::estimation ? running_mean_.numel() : 0;
  sum_.assign(channels, 0);
  sum_of_squares_.assign(channels, 0);
}

}  // namespace duet
