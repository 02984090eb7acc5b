#include "apps/report/evaluation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "apps/report/calibration.h"
#include "apps/report/resampling.h"

using namespace duet;
using doctest::Approx;

namespace {

Answer answer_of(int truth, int label, float confidence, std::string speaker = "") {
  Answer answer;
  answer.pair.label = truth;
  answer.pair.speaker = std::move(speaker);
  answer.probabilities.fill((1 - confidence) / 2);
  answer.probabilities[label] = confidence;
  return answer;
}

Metrics metrics_of_counts(const std::array<std::array<int, 3>, 3>& counts) {
  Metrics metrics;
  for (int t = 0; t < 3; ++t)
    for (int a = 0; a < 3; ++a)
      for (int i = 0; i < counts[t][a]; ++i) metrics.add(t, a);
  return metrics;
}

/// 12 questions, 4 of each class, `right` of each class answered right.
Metrics group_with(int right) {
  const int wrong = 4 - right;
  return metrics_of_counts({{{right, wrong, 0}, {wrong, right, 0}, {0, wrong, right}}});
}

}  // namespace

TEST_CASE("metrics: of a matrix worked out by hand") {
  const Metrics m = metrics_of_counts({{{6, 2, 2}, {1, 3, 0}, {3, 3, 0}}});
  CHECK(m.count() == 20);
  CHECK(m.count(positive) == 6);
  CHECK(m.accuracy() == Approx(9.0 / 20));
  CHECK(m.uar() == Approx((0.6 + 0.75 + 0) / 3));
  CHECK(m.precision(negative) == Approx(0.6));
  CHECK(m.precision(positive) == 0);
  CHECK(m.f1(neutral) == Approx(2.0 * 3 / (4 + 8)));
  CHECK(m.macro_f1() == Approx((0.6 + 0.5 + 0) / 3));
  CHECK(m.majority().accuracy() == Approx(0.5));
  CHECK(m.majority().uar() == Approx(1.0 / 3));
  CHECK(m.majority().confusion()[positive][negative] == 6);
  Metrics twice = m;
  twice += m;
  CHECK(twice.count() == 40);
  CHECK(twice.uar() == Approx(m.uar()));
}

TEST_CASE("metrics: a class that never occurs does not count, and nothing is 0") {
  const Metrics m = metrics_of_counts({{{2, 0, 0}, {1, 1, 0}, {0, 0, 0}}});
  CHECK(m.uar() == Approx(0.75));
  CHECK(Metrics().accuracy() == 0);
  CHECK(Metrics().uar() == 0);
  CHECK(Metrics().majority().count() == 0);
}

TEST_CASE("calibration: bins and the expected error by hand") {
  // Six at 0.95, three of them right; two at 0.5 exactly (the bin that ends there), one right.
  Answers answers;
  for (int i = 0; i < 6; ++i) answers.push_back(answer_of(i % 2, 0, 0.95f));
  answers.push_back(answer_of(1, 1, 0.5f));
  answers.push_back(answer_of(0, 1, 0.5f));
  const Calibration c = calibration_of(answers);
  CHECK(c.bins[9].n == 6);
  CHECK(c.bins[9].accuracy == Approx(0.5));
  CHECK(c.bins[9].confidence == Approx(0.95));
  CHECK(c.bins[4].n == 2);
  CHECK(c.bins[4].accuracy == Approx(0.5));
  CHECK(c.ece == Approx(6.0 / 8 * 0.45));
  CHECK(calibration_of({}).ece == 0);
  CHECK(calibration_of({answer_of(0, 0, 1.0f)}).bins[9].n == 1);
}

TEST_CASE("cross-entropy: the mean of the truth's −log p, and finite for a zero") {
  CHECK(cross_entropy({answer_of(0, 0, 0.5f), answer_of(1, 0, 0.5f)}) ==
        Approx((std::log(2) + std::log(4)) / 2));
  Answer sure = answer_of(1, 0, 1.0f);
  CHECK(std::isfinite(cross_entropy({sure})));
  CHECK(cross_entropy({}) == 0);
}

TEST_CASE("bootstrap: resamples groups, not answers") {
  // Two speakers, one always right and one always wrong: among the resamples are a quarter with the
  // first alone and a quarter with the second alone, so the middle 95 % reaches from 0 to 1.
  const auto two =
      bootstrap_interval(Groups{{"a", group_with(4)}, {"b", group_with(0)}}, &Metrics::accuracy);
  REQUIRE(two.has_value());
  CHECK(two->low == 0);
  CHECK(two->high == 1);
  // A hundred such speakers: the mean of 100 tosses has a deviation of 0.05.
  Groups many;
  for (int i = 0; i < 100; ++i) many[fmt::format("{}", i)] = group_with(i % 2 == 0 ? 4 : 0);
  const auto narrow = bootstrap_interval(many, &Metrics::accuracy);
  CHECK(narrow->low == Approx(0.5 - 1.96 * 0.05).epsilon(0.06));
  CHECK(narrow->high == Approx(0.5 + 1.96 * 0.05).epsilon(0.06));
  CHECK(bootstrap_interval(many, &Metrics::accuracy)->low == narrow->low);
  // Speakers who are all alike leave nothing to chance; one alone says nothing about others.
  const auto none =
      bootstrap_interval(Groups{{"a", group_with(3)}, {"b", group_with(3)}}, &Metrics::uar);
  CHECK(none->low == Approx(0.75));
  CHECK(none->high == Approx(0.75));
  CHECK(!bootstrap_interval(Groups{{"a", group_with(3)}}, &Metrics::uar).has_value());
  CHECK(!bootstrap_interval(Groups{}, &Metrics::uar).has_value());
}

TEST_CASE("bootstrap: the same people in every run bring no certainty, other people do") {
  const auto run_of = [](const std::string& prefix) {
    Groups run;
    for (int i = 0; i < 40; ++i) run[fmt::format("{}{}", prefix, i)] = group_with(i % 2 * 4);
    return run;
  };
  const std::vector<Groups> same(4, run_of("s")),
      others = {run_of("a"), run_of("b"), run_of("c"), run_of("d")};
  const auto width = [](const std::vector<Groups>& runs) {
    const auto interval = bootstrap_interval(runs, &Metrics::accuracy);
    return interval->high - interval->low;
  };
  const auto one = bootstrap_interval(same[0], &Metrics::accuracy);
  CHECK(width(same) == Approx(one->high - one->low));
  CHECK(width(others) == Approx(width(same) / 2).epsilon(0.1));
}

TEST_CASE("paired test: exact for few groups") {
  // The first system is right more often by 1 of 4 in each of four groups. Of the 16 exchanges two
  // (none, and all) reach that difference.
  PairedGroups run, other;
  for (int i = 0; i < 4; ++i) {
    run[fmt::format("s{}", i)] = {group_with(3), group_with(2)};
    other[fmt::format("t{}", i)] = {group_with(3), group_with(2)};
  }
  const auto test_of = [](const std::vector<PairedGroups>& runs) {
    return paired_test(runs, &Metrics::accuracy);
  };
  CHECK(test_of({run}).groups == 4);
  CHECK(test_of({run}).difference == Approx(0.25));
  CHECK(test_of({run}).p == Approx(2.0 / 16));
  CHECK(test_of({run}).least_p == Approx(2.0 / 16));
  // Other people in a second run add to the evidence, the same ones do not.
  CHECK(test_of({run, other}).p == Approx(2.0 / 256));
  CHECK(test_of({run, run}).p == Approx(2.0 / 16));
  CHECK(test_of({run, run}).groups == 4);
  // No difference at all.
  CHECK(test_of({PairedGroups{{"s", {group_with(2), group_with(2)}}}}).p == 1);
  CHECK(test_of({}).p == 1);
}

TEST_CASE("paired test: drawn for many groups, and never zero") {
  PairedGroups run;
  for (int i = 0; i < 30; ++i) run[fmt::format("a{}", i)] = {group_with(4), group_with(0)};
  CHECK(paired_test({&run, 1}, &Metrics::uar).p == Approx(1.0 / 10001));
  // As often the one as the other: nothing to see.
  for (int i = 0; i < 30; ++i) run[fmt::format("b{}", i)] = {group_with(0), group_with(4)};
  CHECK(paired_test({&run, 1}, &Metrics::uar).p == 1);
}

TEST_CASE("Holm: by hand") {
  const std::vector<double> adjusted = holm_adjusted({0.01, 0.04, 0.03, 0.5});
  const double expected[] = {0.04, 0.09, 0.09, 0.5};
  for (std::size_t i = 0; i < 4; ++i) CHECK(adjusted[i] == Approx(expected[i]));
  CHECK(holm_adjusted({0.6, 0.6})[1] == 1);
  CHECK(holm_adjusted({}).empty());
}

TEST_CASE("evaluation: its JSON agrees with itself") {
  Answers answers;
  for (int i = 0; i < 12; ++i)
    answers.push_back(answer_of(i % 3, i < 9 ? i % 3 : 0, 0.8f, fmt::format("s{}", i % 4)));
  const nlohmann::ordered_json json = evaluation_json(answers);
  CHECK(json.at("n") == 12);
  CHECK(json.at("unique_speakers") == 4);
  CHECK(json.at("unique_persons") == 0);
  CHECK(!json.at("intervals").contains("persons"));
  CHECK(json.at("intervals").at("speakers").at("groups") == 4);
  double recall = 0;
  for (const char* name : class_names)
    recall += json.at("per_class").at(name).at("recall").get<double>();
  CHECK(json.at("uar").get<double>() == Approx(recall / 3));
  const auto& ends = json.at("intervals").at("speakers").at("uar");
  CHECK(ends[0].get<double>() <= json.at("uar").get<double>());
  CHECK(ends[1].get<double>() >= json.at("uar").get<double>());
  std::int64_t in_bins = 0;
  // One speaker says nothing about others.
  answers.resize(1);
  CHECK(evaluation_json(answers).at("intervals").at("speakers").at("uar").is_null());
  for (const auto& bin : json.at("calibration").at("bins")) in_bins += bin.at("n").get<int>();
  CHECK(in_bins == 12);
}

TEST_CASE("evaluation: the wider of two intervals is the one to say") {
  nlohmann::ordered_json figures;
  CHECK(!widest_interval(figures, "uar"));
  figures["intervals"] = {{"level", 0.95},
                          {"speakers", {{"uar", {0.5, 0.625}}, {"groups", 3}}},
                          {"persons", {{"uar", {0.25, 0.5}}, {"groups", 5}}}};
  const std::optional<Interval> wider = widest_interval(figures, "uar");
  REQUIRE(wider);
  CHECK(wider->low == 0.25);
  CHECK(wider->high == 0.5);
  CHECK(!widest_interval(figures, "accuracy"));
  // A single person says nothing about others, whatever the speakers say.
  figures["intervals"]["persons"]["uar"] = nullptr;
  CHECK(!widest_interval(figures, "uar"));
  figures["intervals"].erase("persons");
  CHECK(widest_interval(figures, "uar")->low == 0.5);
}
