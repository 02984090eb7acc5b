#include "apps/report/answers.h"

#include <cmath>

namespace duet {

Metrics metrics_of(const Answers& answers) {
  Metrics metrics;
  for (const Answer& answer : answers) metrics.add(answer.pair.label, answer.label());
  return metrics;
}

double cross_entropy(const Answers& answers) {
  double sum = 0;
  for (const Answer& answer : answers)
    sum -=
        std::log(std::max(static_cast<double>(answer.probabilities[answer.pair.label]), 0x1p-149));
  return answers.empty() ? 0 : sum / static_cast<double>(answers.size());
}

}  // namespace duet
