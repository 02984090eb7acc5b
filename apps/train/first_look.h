#pragma once
/// What happens once before a training: every file is decoded, and the inputs' means and deviations
/// are measured.

#include <atomic>

#include "apps/data/pairs.h"
#include "apps/model/model.h"
#include "apps/train/samples.h"

namespace duet {

/// Decodes every file of the pairs once, so that a bad one is found before the training and not in
/// the middle of it. DataError with the first ten refusals. Ends early when `stop` becomes true.
void decode_all(Samples& samples, const Model& model, const std::vector<Pair>& pairs, int workers,
                const std::atomic<bool>& stop);

/// Means and deviations over the training files as they are read, each file once.
Normalization measure_normalization(Samples& samples, const Model& model,
                                    const std::vector<Pair>& pairs);

}  // namespace duet
