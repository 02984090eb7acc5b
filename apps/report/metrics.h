#pragma once
/// What a list of answers is worth.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/data/label.h"

namespace duet {

class Metrics {
 public:
  void add(int truth, int answer) { ++confusion_[truth][answer]; }
  Metrics& operator+=(const Metrics& other);

  std::int64_t count() const;
  /// How many questions of a class there were.
  std::int64_t count(int truth) const;
  /// confusion()[truth][answer]
  const std::array<std::array<std::int64_t, class_count>, class_count>& confusion() const {
    return confusion_;
  }
  /// Share of right answers; 0 without answers, like all of these.
  double accuracy() const;
  /// Unweighted average recall: the mean over the classes that occur of the share of right answers.
  double uar() const;
  /// The mean over classes of 2·TP / (2·TP + FP + FN), over classes that occur as truth or answer.
  double macro_f1() const;
  double recall(int label) const;
  template <int Label>
  double recall_of() const {
    return recall(Label);
  }
  double precision(int label) const;
  double f1(int label) const;
  /// What always answering the most frequent class would have brought on the same questions.
  Metrics majority() const;

 private:
  std::int64_t column_sum(int answer) const;

  std::array<std::array<std::int64_t, class_count>, class_count> confusion_{};
};

}  // namespace duet
