#pragma once
/// One stream of the network: four blocks of the paper's modified VGG-16.

#include <array>
#include <optional>

#include "layers/batchnorm.h"
#include "layers/conv2d.h"
#include "layers/dropout.h"

namespace duet {

struct VggOptions {
  std::array<std::int64_t, 4> widths = {64, 128, 256, 512};
  bool batch_norm = true;
  double batch_norm_momentum = 0.1, batch_norm_eps = 1e-5;
  /// Dropout after each pool.
  double dropout = 0;
};

/// [conv 3×3 → batch norm → ReLU] × 2 → max-pool 2×2 → dropout: (N, H, W, in) → (N, H/2, W/2, out).
class VggBlock : public Module {
 public:
  VggBlock(Build& build, std::int64_t in_channels, std::int64_t out_channels,
           const VggOptions& options);
  Tensor forward(const Tensor& x);

 private:
  void on_freeze() override;

  /// Whether convolutions compute with the weights themselves: rounded to bf16, what is folded into
  /// them would be rounded too.
  bool foldable_;
  Conv2d conv1_, conv2_;
  std::optional<BatchNorm> norm1_, norm2_;
  Dropout dropout_;
};

/// (N, S, S, in) → (N, S/16, S/16, widths[3]), of x's type whatever the precision within.
class VggStream : public Module {
 public:
  VggStream(Build& build, std::int64_t in_channels, const VggOptions& options);
  Tensor forward(const Tensor& x);

 private:
  DType inside_;
  std::deque<VggBlock> blocks_;
};

}  // namespace duet
