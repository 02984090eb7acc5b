#pragma once
#include "engine/ops/conv2d.h"
#include "engine/ops/maxpool2d.h"
#include "layers/batchnorm.h"
#include "layers/module.h"
#include "layers/operands.h"

namespace duet {

/// A convolution with weights of its own, `weight` and, when asked for, `bias`, and a ReLU after it
/// when asked for.
class Conv2d : public Module {
 public:
  Conv2d(Build& build, std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
         std::int64_t pad, bool with_bias, bool relu = false)
      : options_{1, 1, pad, pad, relu, build.precision == Precision::tf32},
        weight_(add_weight(build, "weight",
                           build.he_normal({out_channels, kernel, kernel, in_channels},
                                           in_channels * kernel * kernel),
                           true)) {
    if (with_bias)
      bias_ = add_weight(build, "bias", Tensor::zeros({out_channels}, build.dtype, build.device));
  }

  /// x (N, H, W, in) → (N, H', W', out) or, with `pool`, the maxima of its windows of 2 × 2 pixels.
  Tensor forward(const Tensor& x, bool pool = false) const {
    const NameScope scope(name());
    return in_type_of(weight_, x, [&](const Tensor& in) {
      if (frozen()) return conv2d_inference(in, weight_, bias_, options_, pool, packed_);
      const Tensor y = conv2d(in, weight_, bias_, options_);
      return pool ? maxpool2d(y) : y;
    });
  }

  /// Takes an affine map and a ReLU into itself that follow it, so that it makes max(scale · y +
  /// shift, 0) of what was its result y. It must have had neither bias nor ReLU.
  void fold(const ChannelAffine& affine);

 private:
  Conv2dOptions options_;
  Tensor weight_, bias_;
  mutable PackedWeights packed_;  // of a frozen network
};

}  // namespace duet
