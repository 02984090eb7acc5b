#pragma once
/// What a model answered.

#include <algorithm>
#include <array>
#include <vector>

#include "apps/data/pairs.h"
#include "apps/report/metrics.h"

namespace duet {

struct Answer {
  /// What was asked; files and names of a stream that the model lacks are empty.
  Pair pair;
  std::array<float, class_count> probabilities{};

  int label() const {
    return static_cast<int>(std::max_element(probabilities.begin(), probabilities.end()) -
                            probabilities.begin());
  }
  /// Of the answer.
  float confidence() const { return probabilities[label()]; }
};
using Answers = std::vector<Answer>;

Metrics metrics_of(const Answers& answers);

/// Mean of −log p(truth), without class weights; 0 without answers. A probability that rounds to
/// zero counts as the smallest float.
double cross_entropy(const Answers& answers);

}  // namespace duet
