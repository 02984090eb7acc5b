#pragma once
/// What a run tells TensorBoard.

#include <span>
#include <string>

#include "apps/cli/config.h"
#include "apps/report/events.h"
#include "apps/train/run_folder.h"

namespace duet {

/// Lines of metrics.jsonl: each number of an epoch, at the steps made by then, under `train/loss`,
/// `dev/uar`, `gradient_norm/face` and the like.
void write_epoch_events(EventLog& log, std::span<const std::string> lines);

/// What evaluation.json says of the test, each share and loss under `test/` and its place in that
/// file; the confusion matrix and, where the network hears, spectrograms of some test clips as
/// pictures. All at the run's last step.
void write_test_events(EventLog& log, const RunFolder& folder, const Config& config);

}  // namespace duet
