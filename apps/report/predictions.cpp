#include "apps/report/predictions.h"

#include <charconv>

namespace duet {
namespace {

std::string column_of(int label) { return fmt::format("p_{}", class_names[label]); }

}  // namespace

void write_predictions(const std::filesystem::path& csv, const Answers& answers) {
  std::vector<Pair> rows;
  for (const Answer& answer : answers) {
    Pair row = answer.pair;
    // A table that the answers were read from has them already.
    row.other.clear();
    row.other.emplace_back("answer", class_names[answer.label()]);
    for (int c = 0; c < class_count; ++c)
      row.other.emplace_back(column_of(c), fmt::format("{}", answer.probabilities[c]));
    rows.push_back(std::move(row));
  }
  write_pairs(csv, rows);
}

Answers read_predictions(const std::filesystem::path& csv) {
  Answers answers;
  for (Pair& pair : read_pairs(csv)) {
    Answer answer{std::move(pair)};
    const auto refuse = [&](const std::string& what) {
      fail<DataError>("{}, answer {}: {}; train_mm evaluate writes the table again", csv.string(),
                      answers.size() + 1, what);
    };
    if (answer.pair.label == no_label) refuse("no label");
    const std::map<std::string, std::string> cells(answer.pair.other.begin(),
                                                   answer.pair.other.end());
    for (int c = 0; c < class_count; ++c) {
      const auto cell = cells.find(column_of(c));
      if (cell == cells.end()) refuse("no column " + column_of(c));
      const std::string& text = cell->second;
      const auto [end, error] =
          std::from_chars(text.data(), text.data() + text.size(), answer.probabilities[c]);
      if (error != std::errc() || end != text.data() + text.size())
        refuse(fmt::format("{} '{}' is not a number", column_of(c), text));
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace duet
