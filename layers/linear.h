#pragma once
#include "engine/ops/linear.h"
#include "layers/module.h"
#include "layers/operands.h"

namespace duet {

/// A linear layer, with a ReLU after it when asked for: `weight` (out, in) and `bias` (out).
class Linear : public Module {
 public:
  Linear(Build& build, std::int64_t in_features, std::int64_t out_features, bool relu = false)
      : options_{relu, build.precision == Precision::tf32},
        weight_(
            add_weight(build, "weight", build.he_normal({out_features, in_features}, in_features))),
        bias_(add_weight(build, "bias", Tensor::zeros({out_features}, build.dtype, build.device))) {
  }

  /// x (N, in) → (N, out).
  Tensor forward(const Tensor& x) const {
    const NameScope scope(name());
    return in_type_of(weight_, x,
                      [&](const Tensor& in) { return linear(in, weight_, bias_, options_); });
  }

 private:
  LinearOptions options_;
  Tensor weight_, bias_;
};

}  // namespace duet
