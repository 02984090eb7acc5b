#include "apps/report/resampling.h"

#include <cmath>
#include <map>

#include "apps/data/digest.h"

namespace duet {
namespace {

/// The value below which a share `q` of the sorted values lies, linear between neighbours.
double quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// The mean difference over the runs when the groups whose turn `swapped` says are exchanged.
template <class Swapped>
double mean_difference(const std::vector<std::vector<PairedGroup>>& runs, Figure figure,
                       Swapped&& swapped) {
  double sum = 0;
  std::size_t index = 0;
  for (const std::vector<PairedGroup>& run : runs) {
    Metrics first, second;
    for (const auto& [a, b] : run) {
      const bool swap = swapped(index++);
      first += swap ? b : a;
      second += swap ? a : b;
    }
    sum += (first.*figure)() - (second.*figure)();
  }
  return sum / static_cast<double>(runs.size());
}

}  // namespace

std::vector<Metrics> metrics_by_group(const Answers& answers,
                                      const std::function<std::string(const Pair&)>& group_of) {
  std::map<std::string, Metrics> groups;
  for (const Answer& answer : answers)
    groups[group_of(answer.pair)].add(answer.pair.label, answer.label());
  std::vector<Metrics> result;
  for (const auto& [name, metrics] : groups) result.push_back(metrics);
  return result;
}

Interval bootstrap_interval(const std::vector<std::vector<Metrics>>& runs, Figure figure) {
  if (runs.empty()) return {};
  RandomSequence random = random_for(1, "bootstrap");
  std::vector<double> values;
  for (int i = 0; i < interval_resamples; ++i) {
    double sum = 0;
    for (const std::vector<Metrics>& groups : runs) {
      Metrics drawn;
      for (std::size_t g = 0; g < groups.size(); ++g)
        drawn += groups[random.below(static_cast<std::uint32_t>(groups.size()))];
      sum += (drawn.*figure)();
    }
    values.push_back(sum / static_cast<double>(runs.size()));
  }
  std::sort(values.begin(), values.end());
  constexpr double tail = (1 - interval_level) / 2;
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

PairedTest paired_test(const std::vector<std::vector<PairedGroup>>& runs, Figure figure) {
  PairedTest test;
  if (runs.empty()) return test;
  for (const auto& run : runs) test.groups += run.size();
  test.difference = mean_difference(runs, figure, [](std::size_t) { return false; });
  // Differences that are equal but for rounding count as equal.
  const double found = std::abs(test.difference) - 1e-12;
  constexpr std::size_t most_enumerated = 14;
  constexpr int drawn = 10'000;
  std::int64_t as_large = 0, all = 0;
  const auto count = [&](auto&& swapped) {
    as_large += std::abs(mean_difference(runs, figure, swapped)) >= found;
    ++all;
  };
  if (test.groups <= most_enumerated) {
    for (std::uint32_t bits = 0; bits < std::uint32_t{1} << test.groups; ++bits)
      count([bits](std::size_t i) { return (bits >> i & 1) != 0; });
  } else {
    RandomSequence random = random_for(1, "paired test");
    count([](std::size_t) { return false; });
    for (int i = 0; i < drawn; ++i) count([&random](std::size_t) { return random.below(2) == 1; });
  }
  test.p = static_cast<double>(as_large) / static_cast<double>(all);
  return test;
}

}  // namespace duet
