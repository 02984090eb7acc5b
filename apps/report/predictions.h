#pragma once
/// predictions.csv: a table of pairs with the columns answer, p_negative, p_neutral and p_positive
/// (each probability as the shortest text that reads back as the same float).

#include "apps/report/answers.h"

namespace duet {

void write_predictions(const std::filesystem::path& csv, const Answers& answers);

/// DataError with path and row where a probability or label is missing or malformed.
Answers read_predictions(const std::filesystem::path& csv);

}  // namespace duet
