#pragma once
/// The part of a run's report that shows single test pairs.

#include <string>

#include "apps/cli/config.h"
#include "apps/train/run_folder.h"

namespace duet {

/// HTML: the worst mistakes of predictions.csv, then the least sure right answers, each with its
/// pictures. A file that cannot be read leaves its name and the reason.
std::string report_pairs(const Config& config, const RunFolder& folder);

}  // namespace duet
