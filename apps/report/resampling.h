#pragma once
/// How far a figure would move with other people: intervals and tests that resample whole speakers
/// or persons, because the answers on one voice, or one face, are not independent of each other.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/answers.h"
#include "apps/report/interval.h"

namespace duet {

/// A figure of a confusion matrix: `&Metrics::uar`.
using Figure = double (Metrics::*)() const;

/// Whom figures are resampled over.
struct People {
  const char* name;
  std::string Pair::*who;
};
inline constexpr People all_people[] = {{"speakers", &Pair::speaker}, {"persons", &Pair::person}};
/// Those whom the answers name.
std::vector<People> people_in(const Answers& answers);

/// The answers of each group (a speaker, a person) apart, by its name.
using Groups = std::map<std::string, Metrics>;
Groups groups_of(const Answers& answers, const People& people);

inline constexpr double interval_level = 0.95;
inline constexpr int interval_resamples = 2000;

/// The percentile bootstrap over groups (Efron & Tibshirani 1993, chapter 13): as many as there are
/// names in all runs (seeds, say), drawn with replacement, `interval_resamples` times; the middle
/// 95 % of the figure's mean over the runs. A group that is in several runs is drawn for all of
/// them at once: who is asked again with every seed brings no new people. The same draws on every
/// call. Nothing for fewer than two groups, which say nothing about others; with few it is too
/// narrow rather than too wide.
std::optional<Interval> bootstrap_interval(std::span<const Groups> runs, Figure figure);
inline std::optional<Interval> bootstrap_interval(const Groups& groups, Figure figure) {
  return bootstrap_interval(std::span(&groups, 1), figure);
}

/// What two systems answered on the pairs of each group.
using PairedGroups = std::map<std::string, std::pair<Metrics, Metrics>>;

struct PairedTest {
  double difference = 0;  ///< mean over the runs of figure(first) − figure(second)
  double p = 1;           ///< two-sided
  double least_p = 1;     ///< no difference could have a smaller one
  std::size_t groups = 0;
};

/// A permutation test of two trained systems that answered the same pairs: were they alike, then
/// each group's answers could be exchanged between them, in all runs at once. p is the share of
/// exchanges whose difference is at least as large as the one found: of all 2^groups of them, or,
/// above 14 groups, of 10,000 drawn ones (the found one counted with them).
PairedTest paired_test(std::span<const PairedGroups> runs, Figure figure);

/// Holm's (1979) adjustment for testing several hypotheses at once, in the order given.
std::vector<double> holm_adjusted(const std::vector<double>& p);

}  // namespace duet
