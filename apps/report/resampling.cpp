#include "apps/report/resampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

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

/// The groups of all runs, by numbers in the order of their names: [run][…] = {number, answers}.
template <class Value>
struct Numbered {
  std::size_t count = 0;
  std::vector<std::vector<std::pair<std::size_t, Value>>> runs;

  explicit Numbered(std::span<const std::map<std::string, Value>> named) {
    std::set<std::string> names;
    for (const auto& run : named)
      for (const auto& [name, value] : run) names.insert(name);
    count = names.size();
    for (const auto& run : named) {
      runs.emplace_back();
      for (const auto& [name, value] : run)
        runs.back().emplace_back(std::distance(names.begin(), names.find(name)), value);
    }
  }
};

/// The mean difference over the runs when the groups that `swapped` says are exchanged.
template <class Swapped>
double mean_difference(const Numbered<std::pair<Metrics, Metrics>>& groups, Figure figure,
                       Swapped&& swapped) {
  double sum = 0;
  for (const auto& run : groups.runs) {
    Metrics first, second;
    for (const auto& [number, answers] : run) {
      const bool swap = swapped(number);
      first += swap ? answers.second : answers.first;
      second += swap ? answers.first : answers.second;
    }
    sum += (first.*figure)() - (second.*figure)();
  }
  return sum / static_cast<double>(groups.runs.size());
}

}  // namespace

std::vector<People> people_in(const Answers& answers) {
  std::vector<People> named;
  for (const People& people : all_people)
    if (std::any_of(answers.begin(), answers.end(),
                    [&](const Answer& a) { return !(a.pair.*people.who).empty(); }))
      named.push_back(people);
  return named;
}

Groups groups_of(const Answers& answers, const People& people) {
  Groups groups;
  for (const Answer& answer : answers)
    groups[answer.pair.*people.who].add(answer.pair.label, answer.label());
  return groups;
}

std::optional<Interval> bootstrap_interval(std::span<const Groups> runs, Figure figure) {
  const Numbered<Metrics> groups(runs);
  if (groups.count < 2) return std::nullopt;
  RandomSequence random = random_for(1, "bootstrap");
  std::vector<double> values;
  for (int i = 0; i < interval_resamples; ++i) {
    std::vector<int> times(groups.count);
    for (std::size_t g = 0; g < groups.count; ++g)
      ++times[random.below(static_cast<std::uint32_t>(groups.count))];
    double sum = 0;
    int asked = 0;
    for (const auto& run : groups.runs) {
      Metrics drawn;
      for (const auto& [number, metrics] : run)
        for (int t = 0; t < times[number]; ++t) drawn += metrics;
      // A run none of whose people were drawn has no figure.
      if (drawn.count() == 0) continue;
      sum += (drawn.*figure)();
      ++asked;
    }
    if (asked > 0) values.push_back(sum / asked);
  }
  std::sort(values.begin(), values.end());
  constexpr double tail = (1 - interval_level) / 2;
  return Interval{quantile(values, tail), quantile(values, 1 - tail)};
}

PairedTest paired_test(std::span<const PairedGroups> runs, Figure figure) {
  PairedTest test;
  if (runs.empty()) return test;
  const Numbered<std::pair<Metrics, Metrics>> groups(runs);
  test.groups = groups.count;
  test.difference = mean_difference(groups, figure, [](std::size_t) { return false; });
  // Differences that are equal but for rounding count as equal.
  const double found = std::abs(test.difference) - 1e-12;
  constexpr std::size_t most_enumerated = 14;
  constexpr int drawn = 10'000;
  std::int64_t as_large = 0, all = 0;
  const auto count = [&](auto&& swapped) {
    as_large += std::abs(mean_difference(groups, figure, swapped)) >= found;
    ++all;
  };
  if (test.groups <= most_enumerated) {
    for (std::uint32_t bits = 0; bits < std::uint32_t{1} << test.groups; ++bits)
      count([bits](std::size_t i) { return (bits >> i & 1) != 0; });
    // None exchanged and all exchanged differ in sign only.
    test.least_p = test.groups > 0 ? 2.0 / static_cast<double>(all) : 1;
  } else {
    RandomSequence random = random_for(1, "paired test");
    count([](std::size_t) { return false; });
    for (int i = 0; i < drawn; ++i) {
      std::vector<bool> swapped(test.groups);
      for (std::size_t g = 0; g < test.groups; ++g) swapped[g] = random.below(2) == 1;
      count([&swapped](std::size_t g) { return swapped[g]; });
    }
    test.least_p = 1 / static_cast<double>(all);
  }
  test.p = static_cast<double>(as_large) / static_cast<double>(all);
  return test;
}

std::vector<double> holm_adjusted(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest, static_cast<double>(p.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(1.0, highest);
  }
  return adjusted;
}

}  // namespace duet
