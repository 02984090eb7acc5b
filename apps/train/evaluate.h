#pragma once
/// Running a model over pairs.

#include "apps/data/pairs.h"
#include "apps/model/model.h"
#include "apps/report/metrics.h"
#include "apps/train/samples.h"

namespace duet {

struct Evaluation {
  Metrics metrics;
  /// Mean cross-entropy, without class weights.
  double loss = 0;
  std::size_t unique_clips = 0, unique_faces = 0, unique_speakers = 0, unique_persons = 0;
  /// A row of probabilities for each pair, in order.
  std::vector<std::array<float, class_count>> probabilities;
};

/// The pairs of one split, in order.
std::vector<std::size_t> pairs_of_split(const std::vector<Pair>& pairs, const std::string& split);

Evaluation evaluate(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                    const std::vector<std::size_t>& which, int workers);

/// evaluation.json's text.
std::string to_json(const Evaluation& evaluation, const std::string& split,
                    const std::string& stream, const std::string& fingerprint);

}  // namespace duet
