#pragma once
/// The pairs of a run, from its configuration.

#include "apps/cli/config.h"
#include "apps/data/pairs.h"
#include "apps/report/progress.h"
#include "apps/train/run_folder.h"

namespace duet {

/// The pairs that pairs.csv lists, after making that file from the corpora if it is not there.
/// DataError for corpora that give none, for a leak (in a table that was there, too), and for a
/// table without labels or splits, or with other persons and speakers than the corpora have.
std::vector<Pair> run_pairs(const Config& config, const RunFolder& folder, Progress& progress);

/// All voices of the training split, for pairing anew in each epoch. DataError where one of them is
/// a leak into what `pairs` tests.
std::vector<Item> run_training_voices(const Config& config, const RunFolder& folder,
                                      std::span<const Pair> pairs, Progress& progress);

/// They as pairs without a face.
std::vector<Pair> training_pairs(std::span<const Item> voices);

}  // namespace duet
