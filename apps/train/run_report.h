#pragma once
/// A run as one page that a person reads.

#include "apps/train/run_folder.h"

namespace duet {

/// Writes the folder's report.html from config.toml, metrics.jsonl, evaluation.json,
/// predictions.csv and the files that it names. What is not there leaves its part out, with a
/// sentence that says so; a file that is malformed is a DataError.
void write_run_report(const RunFolder& folder);

}  // namespace duet
