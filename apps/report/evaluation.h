#pragma once
/// What a list of answers is worth, as evaluation.json says it (docs/evaluation.md).

#include <nlohmann/json.hpp>
#include <optional>

#include "apps/report/answers.h"
#include "apps/report/interval.h"

namespace duet {

/// n, accuracy, uar, macro_f1 and the confusion matrix.
nlohmann::ordered_json figures_json(const Metrics& metrics);

/// 95 % intervals of accuracy, uar and macro_f1 over `speakers` and over `persons`, with the number
/// of groups; null for fewer than two. A key is missing where no answer has such a name.
nlohmann::ordered_json intervals_json(const Answers& answers);

/// The wider of the intervals that a figure has over speakers and over persons: what is safe to
/// say. Nothing where there was only one of either.
std::optional<Interval> widest_interval(const nlohmann::ordered_json& figures, const char* name);

/// How many different files and people were asked about.
nlohmann::ordered_json unique_json(const Answers& answers);

/// All of them, with figures of each class, the loss and the calibration.
nlohmann::ordered_json evaluation_json(const Answers& answers);

}  // namespace duet
