#pragma once
/// Runs a plan: each run is a `train_mm` of its own, so that one that fails leaves the others
/// alone, and a run that was interrupted goes on from its checkpoint.

#include <functional>

#include "apps/report/progress.h"
#include "apps/reproduce/plan.h"

namespace duet {

enum class StudyOutcome { finished, interrupted };

/// Runs what is not finished yet below `study`, several at a time, and says how long the rest will
/// take. Each run's output is in its folder's log.txt. An Error names the runs that failed, after
/// all others are done. `stop` is looked at while waiting.
StudyOutcome run_study(const Plan& plan, const std::filesystem::path& study,
                       const std::function<bool()>& stop, Progress& progress);

}  // namespace duet
