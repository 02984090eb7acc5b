#include "apps/report/calibration.h"

#include <cmath>

namespace duet {

Calibration calibration_of(const Answers& answers) {
  Calibration result;
  constexpr int count = Calibration::bin_count;
  for (int b = 0; b < count; ++b) {
    result.bins[b].from = static_cast<double>(b) / count;
    result.bins[b].to = static_cast<double>(b + 1) / count;
  }
  for (const Answer& answer : answers) {
    const auto confidence = static_cast<double>(answer.confidence());
    const int b = std::clamp(static_cast<int>(std::ceil(confidence * count)) - 1, 0, count - 1);
    Calibration::Bin& bin = result.bins[b];
    ++bin.n;
    bin.confidence += confidence;
    bin.accuracy += answer.label() == answer.pair.label;
  }
  for (Calibration::Bin& bin : result.bins) {
    if (bin.n == 0) continue;
    const auto n = static_cast<double>(bin.n);
    result.ece += std::abs(bin.accuracy - bin.confidence) / static_cast<double>(answers.size());
    bin.confidence /= n;
    bin.accuracy /= n;
  }
  return result;
}

}  // namespace duet
