#pragma once
/// Running a model over pairs.

#include "apps/model/model.h"
#include "apps/report/answers.h"
#include "apps/train/samples.h"

namespace duet {

/// The pairs of one split, in order.
std::vector<std::size_t> pairs_of_split(const std::vector<Pair>& pairs, const std::string& split);

/// The model's answers to the pairs that `which` lists, in that order. `streams` leaves out one of
/// a fused model's.
Answers evaluate(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                 const std::vector<std::size_t>& which, int workers,
                 Streams streams = Streams::both);

}  // namespace duet
