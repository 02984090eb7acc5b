#pragma once
/// How far a figure would move with other people: intervals and tests that resample whole speakers
/// or persons, because the answers on one voice, or one face, are not independent of each other.

#include <functional>
#include <string>
#include <utility>

#include "apps/report/answers.h"
#include "apps/report/interval.h"

namespace duet {

/// A figure of a confusion matrix: `&Metrics::uar`.
using Figure = double (Metrics::*)() const;

/// The answers of each group apart, by `group_of` in sorted order.
std::vector<Metrics> metrics_by_group(const Answers& answers,
                                      const std::function<std::string(const Pair&)>& group_of);

inline constexpr double interval_level = 0.95;
inline constexpr int interval_resamples = 2000;

/// The percentile bootstrap over groups (Efron & Tibshirani 1993, chapter 13): as many groups as
/// a run has, drawn with replacement, `interval_resamples` times; the middle 95 % of the figure's
/// mean over the runs (seeds, say). The same draws on every call. With few groups it is too narrow
/// rather than too wide.
Interval bootstrap_interval(const std::vector<std::vector<Metrics>>& runs, Figure figure);
inline Interval bootstrap_interval(const std::vector<Metrics>& groups, Figure figure) {
  return bootstrap_interval(std::vector<std::vector<Metrics>>{groups}, figure);
}

/// Two systems that answered the same pairs.
struct PairedTest {
  double difference = 0;  ///< mean over the runs of figure(first) − figure(second)
  double p = 1;           ///< two-sided
  std::size_t groups = 0;
};
/// What two systems answered on the pairs of one group.
using PairedGroup = std::pair<Metrics, Metrics>;

/// A permutation test: were the two systems alike, then within each group their answers could be
/// exchanged. p is the share of exchanges whose difference is at least as large as the one found:
/// of all 2^groups of them, or, above 14 groups, of 10,000 drawn ones (the found one counted with
/// them). `runs` holds the groups of each run (a seed, say).
PairedTest paired_test(const std::vector<std::vector<PairedGroup>>& runs, Figure figure);

}  // namespace duet
