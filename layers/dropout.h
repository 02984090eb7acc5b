#pragma once
#include "engine/ops/dropout.h"
#include "layers/module.h"

namespace duet {

/// Dropout while training, nothing otherwise. Each call draws a mask of its own from the run's
/// random state.
class Dropout : public Module {
 public:
  Dropout(Build& build, double p) : p_(p), random_(build.random) {}

  Tensor forward(const Tensor& x) const {
    if (mode() != Mode::training || p_ == 0) return x;
    return dropout(x, p_, random_.next_mask());
  }

 private:
  double p_;
  RandomState& random_;
};

}  // namespace duet
