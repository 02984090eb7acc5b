#pragma once
/// `train_mm reproduce`: the paper's tables, run and written up.

#include "apps/report/progress.h"
#include "apps/reproduce/plan.h"
#include "apps/reproduce/runner.h"

namespace duet {

/// Runs a study in the folder `study`, or what is left of it, and writes study.json (what was
/// asked), results.json, results.md and report.html. UsageError where the folder holds a study that
/// was asked something else.
StudyOutcome reproduce(const StudyOptions& options, const std::filesystem::path& study,
                       const std::function<bool()>& stop, Progress& progress);

}  // namespace duet
