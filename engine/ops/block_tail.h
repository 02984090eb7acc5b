#pragma once
#include "engine/ops/batchnorm.h"
#include "kernels/dropout/dropout.h"

namespace duet {

struct BlockTailOptions {
  /// Side and stride of the pooling window; 1: no pooling.
  std::int64_t pool = 1;
  /// Probability of zeroing an element of the result, and by which numbers.
  double dropout = 0;
  DropoutMask mask;
};

/// Batch normalisation → ReLU → max-pooling → dropout of x (N, H, W, C) in one pass; arguments and
/// statistics as those of batchnorm_training.
Tensor block_tail_training(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                           const BlockTailOptions& options,
                           const BatchNormStatistics& statistics = {},
                           const BatchNormStatistics& running = {}, double momentum = 0.1);

/// The same by given statistics.
Tensor block_tail_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps,
                            const BlockTailOptions& options, const Tensor& mean, const Tensor& var);

}  // namespace duet
