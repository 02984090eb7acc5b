#pragma once
/// Charts as HTML figures: a caption, a drawing with a text in its place for those who cannot see
/// it, and the figures as a table behind a line that opens it. What is drawn for a number has the
/// class `mark`. NaN is a number that is not there: it has no mark, and "–" in the table. A chart
/// without any number says so instead of drawing.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/interval.h"

namespace duet {

enum class Scale : std::uint8_t {
  linear,
  share,  ///< 0 … 1, shown as 0 … 100 %
  log,    ///< a number that is not positive is not drawn
};

struct LineSeries {
  std::string name;
  std::vector<double> y;  ///< as many as the chart has x
};

struct LineChart {
  std::string title, caption;
  std::string x_label, y_label;
  Scale scale = Scale::linear;  ///< of y
  std::vector<double> x;
  std::vector<LineSeries> series;  ///< at most `chart_series`
  /// An x that stands out, and why.
  std::optional<double> marked_x;
  std::string marked_label;
};
std::string line_chart(const LineChart& chart);

struct BarSeries {
  std::string name;
  std::vector<double> values;  ///< shares, 0 … 1; one for each category
  /// Whiskers; empty, or one for each category.
  std::vector<std::optional<Interval>> intervals = {};
};

struct BarChart {
  std::string title, caption;
  std::vector<std::string> categories;
  std::vector<BarSeries> series;  ///< at most `chart_series`
};
std::string bar_chart(const BarChart& chart);

struct ConfusionMatrix {
  std::string title, caption;
  std::vector<std::string> classes;
  std::vector<std::vector<std::int64_t>> counts;  ///< [truth][answer]
};
std::string confusion_matrix(const ConfusionMatrix& matrix);

struct ReliabilityBin {
  double from = 0, to = 1;
  std::int64_t n = 0;
  double confidence = 0, accuracy = 0;  ///< means over the n; not looked at where n = 0
};
struct ReliabilityDiagram {
  std::string title, caption;
  std::vector<ReliabilityBin> bins;
};
std::string reliability_diagram(const ReliabilityDiagram& diagram);

/// How many series have a colour of their own.
inline constexpr std::size_t chart_series = 4;

/// Round numbers, about `count` of them, whose first and last enclose low … high.
std::vector<double> axis_ticks(double low, double high, int count);

}  // namespace duet
