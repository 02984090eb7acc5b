#pragma once
/// What a fused score is held against: faces and voices of a pair belong to different people and
/// are paired by class, so a good score alone does not say that both streams bring something.

#include "apps/data/digest.h"
#include "apps/report/answers.h"
#include "apps/train/trainer.h"

namespace duet {

inline constexpr int shuffle_rounds = 5;

/// The pairs that `which` lists, with one modality shuffled across all of them.
std::vector<Pair> shuffled_pairs(const std::vector<Pair>& pairs,
                                 const std::vector<std::size_t>& which, Modality shuffled,
                                 RandomSequence& random);

/// The answers to the same questions when one modality is shuffled across all pairs, classes and
/// all, `shuffle_rounds` times: the share of the score that does not come from it. The same
/// shuffles on every call.
Answers answers_when_shuffled(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                              const std::vector<std::size_t>& which, Modality shuffled,
                              int workers);

/// The configuration of the same network on one stream ("face", "voice") alone, by the same recipe
/// and for as many epochs as the run gives the stream, before the other joins it and after.
Config control_config(const Config& config, const RunFolder& folder, const std::string& stream);

/// Whether that has been trained, as long as the run is now.
bool control_is_there(const Config& config, const RunFolder& folder, const std::string& stream);

/// Trains that on the run's pairs, in `folder.control(stream)`; goes on where an earlier call was
/// interrupted.
Trainer::Outcome train_control(const Config& config, Device device, const RunFolder& folder,
                               const std::string& stream, Progress& progress);

}  // namespace duet
