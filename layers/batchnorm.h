#pragma once
#include "layers/module.h"

namespace duet {

/// Batch normalisation over the last dimension: `weight`, `bias`, and the running statistics
/// `running_mean` and `running_var` (unbiased), which follow each training batch with the given
/// momentum.
class BatchNorm : public Module {
 public:
  BatchNorm(Build& build, std::int64_t channels, double momentum = 0.1, double eps = 1e-5);

  Tensor forward(const Tensor& x);

 private:
  void on_mode(Mode mode) override;

  double momentum_, eps_;
  Tensor weight_, bias_, running_mean_, running_var_;
  /// While estimating: Σ rows, Σ rows·mean, Σ rows·(var + mean²) over the batches so far.
  double rows_seen_ = 0;
  std::vector<double> sum_, sum_of_squares_;
};

}  // namespace duet
