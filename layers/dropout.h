#pragma once
#include "engine/ops/block_tail.h"
#include "engine/ops/dropout.h"
#include "layers/module.h"

namespace duet {

/// Dropout while training, nothing otherwise. Each call draws a mask of its own from the run's
/// random state.
class Dropout : public Module {
 public:
  Dropout(Build& build, double p) : p_(p), random_(build.random) {}

  Tensor forward(const Tensor& x) const {
    return active() ? dropout(x, p_, random_.next_mask()) : x;
  }
  /// For an op that drops its own result: adds the probability and a mask to its options.
  void add_to(BlockTailOptions& options) const {
    if (!active()) return;
    options.dropout = p_;
    options.mask = random_.next_mask();
  }

 private:
  bool active() const { return mode() == Mode::training && p_ > 0; }

  double p_;
  RandomState& random_;
};

}  // namespace duet
