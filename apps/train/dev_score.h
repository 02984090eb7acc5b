#pragma once

namespace duet {

/// What an epoch's model is judged by, on dev.
struct DevScore {
  double uar = -1, loss = 0;

  /// By the higher recall; ties go to the lower loss.
  bool better_than(const DevScore& other) const {
    return uar > other.uar || (uar == other.uar && loss < other.loss);
  }
};

}  // namespace duet
