#include "apps/report/metrics.h"

#include <algorithm>

namespace duet {
namespace {

double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

}  // namespace

Metrics& Metrics::operator+=(const Metrics& other) {
  for (int t = 0; t < class_count; ++t)
    for (int a = 0; a < class_count; ++a) confusion_[t][a] += other.confusion_[t][a];
  return *this;
}

std::int64_t Metrics::count(int truth) const {
  std::int64_t sum = 0;
  for (std::int64_t n : confusion_[truth]) sum += n;
  return sum;
}

std::int64_t Metrics::column_sum(int answer) const {
  std::int64_t sum = 0;
  for (const auto& row : confusion_) sum += row[answer];
  return sum;
}

std::int64_t Metrics::count() const {
  std::int64_t sum = 0;
  for (int c = 0; c < class_count; ++c) sum += count(c);
  return sum;
}

double Metrics::accuracy() const {
  std::int64_t right = 0;
  for (int c = 0; c < class_count; ++c) right += confusion_[c][c];
  return ratio(static_cast<double>(right), static_cast<double>(count()));
}

double Metrics::recall(int label) const {
  return ratio(static_cast<double>(confusion_[label][label]), static_cast<double>(count(label)));
}

double Metrics::precision(int label) const {
  return ratio(static_cast<double>(confusion_[label][label]),
               static_cast<double>(column_sum(label)));
}

double Metrics::f1(int label) const {
  return ratio(2.0 * static_cast<double>(confusion_[label][label]),
               static_cast<double>(count(label) + column_sum(label)));
}

double Metrics::uar() const {
  double sum = 0;
  int occurring = 0;
  for (int c = 0; c < class_count; ++c)
    if (count(c) > 0) {
      sum += recall(c);
      ++occurring;
    }
  return ratio(sum, occurring);
}

double Metrics::macro_f1() const {
  double sum = 0;
  int occurring = 0;
  for (int c = 0; c < class_count; ++c)
    if (count(c) + column_sum(c) > 0) {
      sum += f1(c);
      ++occurring;
    }
  return ratio(sum, occurring);
}

Metrics Metrics::majority() const {
  int most = 0;
  for (int c = 1; c < class_count; ++c)
    if (count(c) > count(most)) most = c;
  Metrics result;
  for (int c = 0; c < class_count; ++c) result.confusion_[c][most] = count(c);
  return result;
}

}  // namespace duet
