#pragma once
/// The end of a run: what its best model is worth.

#include "apps/cli/config.h"
#include "apps/report/progress.h"
#include "apps/train/run_folder.h"
#include "engine/device.h"

namespace duet {

/// Asks the run's best model for the test pairs and writes predictions.csv, evaluation.json and
/// report.html, with the controls that the configuration wants. Those of `all` are trained after
/// that, unless they are there, and all is written again. `finished`: whether the training came to
/// its end. False when the user asked to stop meanwhile. DataError: no model yet, or pairs other
/// than those that the model was trained on.
bool evaluate_run(const Config& config, Device device, const RunFolder& folder, bool finished,
                  Progress& progress);

}  // namespace duet
