#pragma once
/// A run of one stream alone, beside a run of both and on its pairs: as a control of what fusion
/// brings, and as the beginning of a stream that learns more slowly than the other.

#include "apps/train/trainer.h"

namespace duet {

/// The configuration of the same network on one stream ("face", "voice") alone, by the same recipe
/// but for so many epochs.
Config single_stream_config(const Config& config, const RunFolder& folder,
                            const std::string& stream, std::int64_t epochs);

/// Trains that on the run's pairs, in the folder `own`; goes on where an earlier call was
/// interrupted. `what` says what for.
Trainer::Outcome train_single_stream(const Config& config, Device device, const RunFolder& folder,
                                     const RunFolder& own, const Config& single, const char* what,
                                     Progress& progress);

/// Trains each stream alone for as many epochs as the configuration wants, in
/// `folder.pretrained(stream)`, unless the run itself has begun.
Trainer::Outcome pretrain_streams(const Config& config, Device device, const RunFolder& folder,
                                  Progress& progress);

}  // namespace duet
