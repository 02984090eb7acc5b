#pragma once
/// Whether an answer's probability is the share of such answers that are right.

#include "apps/report/answers.h"

namespace duet {

struct Calibration {
  static constexpr int bin_count = 10;
  /// Answers whose probability is above `from` and at most `to` (the first bin holds 0 too).
  struct Bin {
    double from = 0, to = 0;
    std::int64_t n = 0;
    double confidence = 0, accuracy = 0;  ///< means over the bin; 0 where it is empty
  };
  std::array<Bin, bin_count> bins;
  /// Expected calibration error (Naeini et al. 2015): Σ n_b / n · |accuracy_b − confidence_b|.
  double ece = 0;
};

Calibration calibration_of(const Answers& answers);

}  // namespace duet
