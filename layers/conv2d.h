#pragma once
#include "engine/ops/conv2d.h"
#include "layers/module.h"

namespace duet {

/// A convolution with weights of its own: `weight` and, when asked for, `bias`.
class Conv2d : public Module {
 public:
  Conv2d(Build& build, std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel,
         std::int64_t pad, bool with_bias)
      : options_{1, 1, pad, pad},
        weight_(add_parameter("weight",
                              build.he_normal({out_channels, kernel, kernel, in_channels},
                                              in_channels * kernel * kernel),
                              true)) {
    if (with_bias)
      bias_ = add_parameter("bias", Tensor::zeros({out_channels}, build.dtype, build.device));
  }

  /// x (N, H, W, in) → (N, H', W', out).
  Tensor forward(const Tensor& x) const {
    const NameScope scope(name());
    return conv2d(x, weight_, bias_, options_);
  }

 private:
  Conv2dOptions options_;
  Tensor weight_, bias_;
};

}  // namespace duet
