#pragma once
/// What a study's runs say together: results.json.

#include <nlohmann/json.hpp>

#include "apps/reproduce/plan.h"

namespace duet {

/// Of each experiment: its runs, their means with deviation over the seeds and 95 % intervals over
/// speakers (or persons, where no voice is heard). Of each cell of the paper: ours beside it, and a
/// verdict: `within` or `differs` (the paper's figure lies in our interval or not), `not
/// comparable`, `cannot be` (no count of the test faces gives it), with the reason. Of each pair of
/// experiments that answers a question: the difference, with a paired test where both were asked
/// the same. DataError where a run is missing or the paired runs were asked different pairs.
nlohmann::ordered_json study_results(const Plan& plan, const std::filesystem::path& study);

}  // namespace duet
