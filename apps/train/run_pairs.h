#pragma once
/// The pairs of a run, from its configuration.

#include "apps/cli/config.h"
#include "apps/data/pairs.h"
#include "apps/report/progress.h"
#include "apps/train/run_folder.h"

namespace duet {

struct RunPairs {
  /// What pairs.csv lists.
  std::vector<Pair> pairs;
  /// All voices of the training split, where they are paired anew in each epoch; otherwise none.
  std::vector<Item> training_voices;
};

/// Makes pairs.csv from the corpora if it is not there. DataError for corpora that give no pairs,
/// for a leak (in a table that was there and among the training voices, too), and for a table
/// without labels or splits, or with other persons and speakers than the corpora have.
RunPairs run_pairs(const Config& config, const RunFolder& folder, Progress& progress);

/// They as pairs without a face.
std::vector<Pair> training_pairs(std::span<const Item> voices);

}  // namespace duet
