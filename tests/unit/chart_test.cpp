#include "apps/report/chart.h"

#include <doctest/doctest.h>

#include <regex>

#include "kernels/base/error.h"

using namespace duet;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

bool holds(const std::string& text, const std::string& part) { return count(text, part) > 0; }

std::size_t marks(const std::string& html) { return count(html, "class=\"mark"); }

/// The numbers that an expression's groups find, match after match.
std::vector<std::vector<double>> numbers(const std::string& text, const char* expression) {
  std::vector<std::vector<double>> all;
  const std::regex regex(expression);
  for (std::sregex_iterator i(text.begin(), text.end(), regex), end; i != end; ++i) {
    std::vector<double>& found = all.emplace_back();
    for (std::size_t g = 1; g < i->size(); ++g) found.push_back(std::stod((*i)[g]));
  }
  return all;
}

LineChart three_epochs(std::vector<double> y, Scale scale = Scale::linear) {
  LineChart chart;
  chart.title = "Loss & <more>";
  chart.x_label = "epoch";
  chart.y_label = "loss";
  chart.scale = scale;
  chart.x = {1, 2, 3};
  chart.series = {{"training", std::move(y)}};
  return chart;
}

void check_figure(const std::string& html) {
  CHECK(html.starts_with("<figure class=\"chart\">"));
  CHECK(html.ends_with("</figure>\n"));
  CHECK(count(html, "<figcaption>") == 1);
  CHECK(count(html, "<details>") == 1);
  CHECK(count(html, "<table>") == 1);
}

void check_empty(const std::string& html) {
  check_figure(html);
  CHECK(holds(html, "There are no numbers to draw."));
  CHECK(!holds(html, "<svg"));
  CHECK(marks(html) == 0);
}

}  // namespace

TEST_CASE("chart: a line has a mark for each number, at heights that are as the numbers are") {
  const std::string html = line_chart(three_epochs({4, 2, 1}));
  check_figure(html);
  CHECK(marks(html) == 3);
  CHECK(holds(html, "role=\"img\" aria-label=\"Loss &amp; &lt;more&gt;. Line chart"));
  const auto points = numbers(html, R"re(<circle cx="([^"]*)" cy="([^"]*)")re");
  REQUIRE(points.size() == 3);
  // Coordinates are written to a tenth: each difference is off by a tenth at most.
  CHECK(points[1][0] - points[0][0] == doctest::Approx(points[2][0] - points[1][0]).epsilon(1e-2));
  CHECK((points[1][1] - points[0][1]) / (points[2][1] - points[1][1]) ==
        doctest::Approx(2).epsilon(0.01));
  CHECK(holds(html, "<tr><th scope=\"row\">1</th><td>4</td></tr>"));
  CHECK(holds(html, "<tr><th scope=\"row\">3</th><td>1</td></tr>"));
}

TEST_CASE("chart: a logarithmic line has equal ratios equally far apart, and no zero") {
  const auto points = numbers(line_chart(three_epochs({0.01, 1, 100}, Scale::log)),
                              R"re(<circle cx="([^"]*)" cy="([^"]*)")re");
  REQUIRE(points.size() == 3);
  CHECK(points[0][1] - points[1][1] == doctest::Approx(points[1][1] - points[2][1]).epsilon(1e-2));
  CHECK(marks(line_chart(three_epochs({0, -1, 100}, Scale::log))) == 1);
  check_empty(line_chart(three_epochs({0, 0, 0}, Scale::log)));
}

TEST_CASE("chart: a line without some of its numbers, with one, with none, with very many") {
  const std::string gap = line_chart(three_epochs({1, no_number, 3}));
  CHECK(marks(gap) == 2);
  CHECK(holds(gap, "<th scope=\"row\">2</th><td>–</td>"));
  CHECK(!holds(gap, "nan"));
  const std::string infinite = line_chart(three_epochs({1, HUGE_VAL, 3}));
  CHECK(marks(infinite) == 2);

  LineChart one = three_epochs({0.5});
  one.x = {1};
  const std::string single = line_chart(one);
  CHECK(marks(single) == 1);
  CHECK(!holds(single, "nan"));
  CHECK(!holds(single, "inf"));

  check_empty(line_chart(three_epochs({no_number, no_number, no_number})));
  LineChart none = three_epochs({});
  none.x = {};
  check_empty(line_chart(none));
  none.series = {};
  check_empty(line_chart(none));

  LineChart many;
  many.title = "many";
  many.series = {{"a", {}}, {"b", {}}};
  for (int i = 1; i <= 1000; ++i) {
    many.x.push_back(i);
    for (LineSeries& series : many.series) series.y.push_back(i);
  }
  CHECK(marks(line_chart(many)) == 2);

  CHECK_THROWS_AS(line_chart(three_epochs({1, 2})), Error);
  LineChart five = three_epochs({1, 2, 3});
  five.series.resize(5, five.series[0]);
  CHECK_THROWS_WITH_AS(line_chart(five), doctest::Contains("5 series"), Error);
}

TEST_CASE("chart: bars are as long as their numbers, whiskers as wide as their intervals") {
  BarChart chart;
  chart.title = "Controls";
  chart.categories = {"fused", "majority", "not measured"};
  chart.series = {{"UAR", {0.8, 0.2, no_number}, {Interval{0.7, 0.9}, std::nullopt, std::nullopt}}};
  const std::string html = bar_chart(chart);
  check_figure(html);
  CHECK(marks(html) == 2);
  const auto bars =
      numbers(html, R"re(<rect x="[^"]*" y="[^"]*" width="([^"]*)" height="[^"]*" class="mark)re");
  REQUIRE(bars.size() == 2);
  CHECK(bars[0][0] / bars[1][0] == doctest::Approx(4).epsilon(1e-2));
  const auto whisker = numbers(
      html, R"re(<line x1="([^"]*)" y1="([^"]*)" x2="([^"]*)" y2="([^"]*)" class="whisker")re");
  REQUIRE(whisker.size() == 3);  // with its two ends
  CHECK((whisker[0][2] - whisker[0][0]) / bars[0][0] == doctest::Approx(0.25).epsilon(1e-2));
  CHECK(holds(html, "<td>80.0\u00A0% (70.0\u00A0% to 90.0\u00A0%)</td>"));
  CHECK(holds(html, "<th scope=\"row\">not measured</th><td>–</td>"));

  chart.series = {{"UAR", {no_number, no_number, no_number}}};
  check_empty(bar_chart(chart));
  check_empty(bar_chart({}));
  chart.series = {{"UAR", {0.5}}};
  CHECK_THROWS_AS(bar_chart(chart), Error);
}

TEST_CASE("chart: a confusion matrix has counts, and shares of the row") {
  const std::string html = confusion_matrix({"Confusion", "", {"a", "b"}, {{3, 1}, {0, 0}}});
  check_figure(html);
  CHECK(marks(html) == 4);
  CHECK(holds(html,
              "<tr><th scope=\"row\">a</th><td>3 (75.0\u00A0%)</td><td>1 (25.0\u00A0%)</td>"
              "<td>4</td></tr>"));
  // Of b there is no pair, so no share.
  CHECK(holds(html, "<th scope=\"row\">b</th><td>0 (–)</td><td>0 (–)</td><td>0</td>"));
  const auto shades = numbers(html, R"re(class="mark shade s." fill-opacity="([^"]*)")re");
  REQUIRE(shades.size() == 4);
  CHECK(shades[0][0] / shades[1][0] == doctest::Approx(3).epsilon(1e-2));
  check_empty(confusion_matrix({"Confusion", "", {"a", "b"}, {{0, 0}, {0, 0}}}));
  check_empty(confusion_matrix({}));
  CHECK_THROWS_AS(confusion_matrix({"Confusion", "", {"a", "b"}, {{1, 2}}}), Error);
  CHECK_THROWS_AS(confusion_matrix({"Confusion", "", {"a", "b"}, {{1, 2}, {1}}}), Error);
}

TEST_CASE("chart: a reliability diagram has a bar for each bin that has answers") {
  ReliabilityDiagram diagram;
  diagram.title = "Reliability";
  diagram.bins = {
      {0, 0.5, 0, no_number, no_number}, {0.5, 0.75, 10, 0.6, 0.4}, {0.75, 1, 30, 0.9, 0.8}};
  const std::string html = reliability_diagram(diagram);
  check_figure(html);
  CHECK(marks(html) == 2);
  const auto bars =
      numbers(html, R"re(<rect x="[^"]*" y="[^"]*" width="[^"]*" height="([^"]*)" class="mark)re");
  REQUIRE(bars.size() == 2);
  CHECK(bars[1][0] / bars[0][0] == doctest::Approx(2).epsilon(1e-2));
  CHECK(holds(html,
              "<th scope=\"row\">0.0\u00A0% to 50.0\u00A0%</th><td>0</td><td>–</td><td>–</td>"));
  CHECK(holds(html, "<td>30</td><td>90.0\u00A0%</td><td>80.0\u00A0%</td>"));
  diagram.bins.resize(1);
  check_empty(reliability_diagram(diagram));
  check_empty(reliability_diagram({}));
}

TEST_CASE("chart: ticks are round and enclose what is drawn") {
  const std::vector<double> ticks = axis_ticks(0.13, 0.87, 5);
  CHECK(ticks.front() <= 0.13);
  CHECK(ticks.back() >= 0.87);
  CHECK(ticks[1] - ticks[0] == doctest::Approx(0.2));
  CHECK(axis_ticks(0, 1, 5).size() == 6);
  for (const double same : {0.0, -3.0, 1e9}) {
    CHECK(axis_ticks(same, same, 5).front() < same);
    CHECK(axis_ticks(same, same, 5).back() > same);
    CHECK(axis_ticks(same, same, 5).size() < 15);
  }
}
