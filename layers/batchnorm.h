#pragma once
#include "engine/ops/block_tail.h"
#include "layers/module.h"

namespace duet {

/// scale · x + shift, with values for each channel.
struct ChannelAffine {
  std::vector<double> scale, shift;
};

/// Batch normalisation over the last dimension: `weight`, `bias`, and the running statistics
/// `running_mean` and `running_var` (unbiased), which follow each training batch with the given
/// momentum.
class BatchNorm : public Module {
 public:
  BatchNorm(Build& build, std::int64_t channels, double momentum = 0.1, double eps = 1e-5);

  Tensor forward(const Tensor& x);
  /// With ReLU, pooling and dropout behind it, in one pass.
  Tensor forward(const Tensor& x, const BlockTailOptions& tail);
  /// What it comes to in evaluation.
  ChannelAffine affine() const;

 private:
  /// Calls `training(statistics, running)` or `inference()`, as the mode says.
  template <class Training, class Inference>
  Tensor by_mode(const Tensor& x, Training&& training, Inference&& inference);
  void on_mode(Mode mode) override;

  double momentum_, eps_;
  Tensor weight_, bias_, running_mean_, running_var_;
  /// While estimating: Σ rows, Σ rows·mean, Σ rows·(var + mean²) over the batches so far.
  double rows_seen_ = 0;
  std::vector<double> sum_, sum_of_squares_;
};

}  // namespace duet
