#include "apps/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/html.h"
#include "apps/report/svg.h"
#include "kernels/base/error.h"

namespace duet {
namespace {

/// Units of a drawing. A phone shows about as many CSS pixels, so that text of 14 units is read
/// everywhere.
constexpr double chart_width = 420;

/// From values to places in the drawing.
struct Axis {
  double low, high;   ///< values; logarithms on a log scale
  double start, end;  ///< places
  bool is_log = false;

  double operator()(double value) const {
    if (is_log && !(value > 0)) return std::numeric_limits<double>::quiet_NaN();
    const double v = is_log ? std::log10(value) : value;
    return start + (end - start) * (v - low) / (high - low);
  }
};

std::string figure(const std::string& title, const std::string& caption, const std::string& legend,
                   const std::string& drawing, const std::string& table) {
  return fmt::format(
      "<figure class=\"chart\">\n<h3>{}</h3>\n{}{}<figcaption>{}\n{}</figcaption></figure>\n",
      escaped(title), legend, drawing, escaped(caption), html_details("The figures", table));
}

std::string nothing_to_draw() { return "<p class=\"absent\">There are no numbers to draw.</p>\n"; }

std::string legend(const std::vector<std::string>& names, const char* kind) {
  std::string out = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < names.size(); ++i)
    out += fmt::format("<li><span class=\"{} s{}\"></span>{}</li>", kind, i, escaped(names[i]));
  return out + "</ul>\n";
}

std::string value_text(double value, Scale scale) {
  return scale == Scale::share ? percent_text(value) : number_text(value);
}

std::string tick_text(double value, Scale scale) {
  // A sum of steps may miss zero by a rounding.
  if (std::abs(value) < 1e-12) value = 0;
  return scale == Scale::share ? fmt::format("{:.4g} %", 100 * value) : fmt::format("{:g}", value);
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(std::log10(high) - 1e-9)));
  // Few decades have ticks within, many leave some out.
  const int step = (last - first + 5) / 6;
  std::vector<double> ticks;
  for (int decade = first; decade <= last; decade += step)
    for (const double digit : {1.0, 2.0, 5.0})
      if (digit == 1 || (last - first <= 2 && decade < last))
        ticks.push_back(digit * std::pow(10, decade));
  return ticks;
}

void check_series(const std::string& title, std::size_t series) {
  require(series <= chart_series, "[chart] {}: {} series, and {} can be told apart", title, series,
          chart_series);
}

std::string join(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<double> axis_ticks(double low, double high, int count) {
  if (!(high > low)) {
    const double room = low == 0 ? 1 : std::abs(low) / 2;
    low -= room, high += room;
  }
  const double wanted = (high - low) / count, power = std::pow(10, std::floor(std::log10(wanted)));
  double step = 10 * power;
  for (const double digit : {5.0, 2.0, 1.0})
    if (digit * power >= wanted * (1 - 1e-9)) step = digit * power;
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::string line_chart(const LineChart& chart) {
  check_series(chart.title, chart.series.size());
  std::vector<std::string> names, header = {escaped(chart.x_label)};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const LineSeries& series : chart.series) {
    require(series.y.size() == chart.x.size(), "[chart] {}: {} has {} values at {} places",
            chart.title, series.name, series.y.size(), chart.x.size());
    names.push_back(series.name);
    header.push_back(escaped(series.name));
    for (const double y : series.y)
      if (std::isfinite(y) && (chart.scale != Scale::log || y > 0))
        low = std::min(low, y), high = std::max(high, y);
  }
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < chart.x.size(); ++i) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(number_text(chart.x[i]));
    for (const LineSeries& series : chart.series)
      row.push_back(value_text(series.y[i], chart.scale));
  }
  const std::string table = html_table(chart.title + ", as a table", header, rows);
  if (!(low <= high)) return figure(chart.title, chart.caption, "", nothing_to_draw(), table);

  constexpr double left = 62, right = 14, top = 22, bottom = 46, height = 260;
  const std::vector<double> y_ticks = chart.scale == Scale::log     ? log_ticks(low, high)
                                      : chart.scale == Scale::share ? axis_ticks(0, 1, 5)
                                                                    : axis_ticks(low, high, 5);
  Axis y{y_ticks.front(), y_ticks.back(), height - bottom, top, chart.scale == Scale::log};
  if (y.is_log) {
    y.low = std::log10(std::min(low, y_ticks.front()));
    y.high = std::log10(std::max(high, y_ticks.back()));
  }
  const auto [x_low, x_high] = std::minmax_element(chart.x.begin(), chart.x.end());
  const double room = *x_low == *x_high ? 1 : 0;
  const Axis x{*x_low - room, *x_high + room, left, chart_width - right};

  Svg svg(chart_width, height,
          fmt::format("{}. Line chart of {} over {}: {}. The figures are in the table below.",
                      chart.title, chart.y_label, chart.x_label, join(names)));
  for (const double tick : y_ticks) {
    svg.line(left, y(tick), chart_width - right, y(tick), {"grid"});
    svg.text(left - 6, y(tick) + 4, tick_text(tick, chart.scale), "end");
  }
  double last_tick = -1e300;
  for (const double tick : axis_ticks(x.low, x.high, 6)) {
    if (tick < *x_low || tick > *x_high || tick != std::round(tick)) continue;
    svg.line(x(tick), height - bottom, x(tick), height - bottom + 4, {"axis"});
    svg.text(x(tick), height - bottom + 18, tick_text(tick, Scale::linear), "middle");
    last_tick = tick;
  }
  if (last_tick == -1e300)
    svg.text(x(*x_low), height - bottom + 18, tick_text(*x_low, Scale::linear), "middle");
  svg.line(left, height - bottom, chart_width - right, height - bottom, {"axis"});
  svg.text((left + chart_width - right) / 2, height - 6, chart.x_label, "middle");
  svg.upright_text(12, (top + height - bottom) / 2, chart.y_label);
  if (chart.marked_x) {
    svg.line(x(*chart.marked_x), top, x(*chart.marked_x), height - bottom, {"reference"});
    // In the middle above the line, or as near as the drawing's edge lets it.
    svg.text(std::min(x(*chart.marked_x), chart_width - 4.0 * chart.marked_label.size()), top - 6,
             chart.marked_label, "middle", "note");
  }
  // Many points would run into each other: their line is enough.
  const bool points = chart.x.size() <= 60;
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    const LineSeries& series = chart.series[s];
    std::vector<std::pair<double, double>> places;
    for (std::size_t i = 0; i < chart.x.size(); ++i)
      places.emplace_back(x(chart.x[i]), y(series.y[i]));
    svg.path(places, {fmt::format("{}series s{}", points ? "" : "mark ", s), series.name});
    for (std::size_t i = 0; points && i < places.size(); ++i)
      if (std::isfinite(places[i].second))
        svg.circle(places[i].first, places[i].second, 2.6,
                   {fmt::format("mark point s{}", s),
                    fmt::format("{}, {} {}: {}", series.name, chart.x_label,
                                number_text(chart.x[i]), value_text(series.y[i], chart.scale))});
  }
  return figure(chart.title, chart.caption, legend(names, "key"), svg.str(), table);
}

std::string bar_chart(const BarChart& chart) {
  check_series(chart.title, chart.series.size());
  std::vector<std::string> names, header = {""};
  std::size_t numbers = 0;
  for (const BarSeries& series : chart.series) {
    require(series.values.size() == chart.categories.size() &&
                (series.intervals.empty() || series.intervals.size() == series.values.size()),
            "[chart] {}: {} has {} values and {} intervals for {} categories", chart.title,
            series.name, series.values.size(), series.intervals.size(), chart.categories.size());
    names.push_back(series.name);
    header.push_back(escaped(series.name));
    numbers += std::count_if(series.values.begin(), series.values.end(),
                             [](double v) { return std::isfinite(v); });
  }
  const auto interval_of = [](const BarSeries& series, std::size_t c) {
    return series.intervals.empty() ? std::nullopt : series.intervals[c];
  };
  std::vector<std::vector<std::string>> rows;
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(escaped(chart.categories[c]));
    for (const BarSeries& series : chart.series) {
      row.push_back(percent_text(series.values[c]));
      if (const auto i = interval_of(series, c))
        row.back() += fmt::format(" ({} to {})", percent_text(i->low), percent_text(i->high));
    }
  }
  const std::string table = html_table(chart.title + ", as a table", header, rows);
  if (numbers == 0) return figure(chart.title, chart.caption, "", nothing_to_draw(), table);

  constexpr double left = 4, right = 70, top = 4, bottom = 26, bar = 16, name = 21, gap = 8;
  const double group = name + bar * static_cast<double>(chart.series.size()) + gap;
  const double height = top + group * static_cast<double>(chart.categories.size()) + bottom;
  const Axis x{0, 1, left, chart_width - right};
  Svg svg(chart_width, height,
          fmt::format("{}. Bar chart of {} for {}. The figures are in the table below.",
                      chart.title, join(names), join(chart.categories)));
  for (const double tick : axis_ticks(0, 1, 4)) {
    svg.line(x(tick), top, x(tick), height - bottom, {"grid"});
    svg.text(x(tick), height - 6, tick_text(tick, Scale::share), tick == 0 ? "start" : "middle");
  }
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    double y = top + group * static_cast<double>(c) + name;
    svg.text(left + 3, y - 5, chart.categories[c], "start", "strong");
    for (std::size_t s = 0; s < chart.series.size(); ++s, y += bar) {
      const BarSeries& series = chart.series[s];
      const double value = series.values[c];
      const auto interval = interval_of(series, c);
      svg.text(chart_width, y + bar - 4, percent_text(value), "end");
      if (!std::isfinite(value)) continue;
      std::string title =
          fmt::format("{}, {}: {}", chart.categories[c], series.name, percent_text(value));
      if (interval)
        title +=
            fmt::format(" ({} to {})", percent_text(interval->low), percent_text(interval->high));
      svg.rect(left, y + 1, x(value) - left, bar - 2, {fmt::format("mark bar s{}", s), title});
      if (!interval || !std::isfinite(interval->low + interval->high)) continue;
      const double middle = y + bar / 2, from = x(interval->low), to = x(interval->high);
      // On a ground of its own, so that it is seen over the bar too.
      for (const char* css_class : {"whisker-ground", "whisker"}) {
        svg.line(from, middle, to, middle, {css_class});
        for (const double end : {from, to}) svg.line(end, middle - 4, end, middle + 4, {css_class});
      }
    }
  }
  svg.line(left, top, left, height - bottom, {"axis"});
  return figure(chart.title, chart.caption, names.size() > 1 ? legend(names, "block") : "",
                svg.str(), table);
}

std::string confusion_matrix(const ConfusionMatrix& matrix) {
  const std::size_t n = matrix.classes.size();
  std::vector<std::string> header = {"truth"};
  for (const std::string& name : matrix.classes) header.push_back("answered " + escaped(name));
  header.emplace_back("all");
  require(matrix.counts.size() == n, "[chart] {}: {} rows for {} classes", matrix.title,
          matrix.counts.size(), n);
  std::vector<std::int64_t> sums;
  for (const auto& row : matrix.counts) {
    require(row.size() == n, "[chart] {}: a row of {} for {} classes", matrix.title, row.size(), n);
    std::int64_t& sum = sums.emplace_back();
    for (const std::int64_t count : row) sum += count;
  }
  // Of a class that does not occur there are no shares.
  const auto share = [&](std::size_t truth, std::size_t answer) {
    return static_cast<double>(matrix.counts[truth][answer]) / static_cast<double>(sums[truth]);
  };
  std::vector<std::vector<std::string>> rows;
  for (std::size_t t = 0; t < n; ++t) {
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(escaped(matrix.classes[t]));
    for (std::size_t a = 0; a < n; ++a)
      row.push_back(fmt::format("{} ({})", matrix.counts[t][a], percent_text(share(t, a))));
    row.push_back(std::to_string(sums[t]));
  }
  const std::string table = html_table(matrix.title + ", as a table", header, rows);
  if (std::all_of(sums.begin(), sums.end(), [](std::int64_t sum) { return sum == 0; }))
    return figure(matrix.title, matrix.caption, "", nothing_to_draw(), table);

  constexpr double left = 92, top = 42, cell_height = 58;
  const double cell = (chart_width - left) / static_cast<double>(n);
  const double height = top + cell_height * static_cast<double>(n) + 2;
  Svg svg(chart_width, height,
          fmt::format("{}. Table of truth by answer for {}. The figures are in the table below.",
                      matrix.title, join(matrix.classes)));
  svg.text(left + cell * static_cast<double>(n) / 2, 14, "answered", "middle", "note");
  svg.text(left - 10, 34, "truth", "end", "note");
  for (std::size_t t = 0; t < n; ++t) {
    const double x = left + cell * static_cast<double>(t);
    const double y = top + cell_height * static_cast<double>(t);
    svg.text(x + cell / 2, 34, matrix.classes[t], "middle", "strong");
    svg.text(left - 10, y + cell_height / 2 - 2, matrix.classes[t], "end", "strong");
    svg.text(left - 10, y + cell_height / 2 + 15, fmt::format("n = {}", sums[t]), "end", "note");
    for (std::size_t a = 0; a < n; ++a) {
      const double at = left + cell * static_cast<double>(a);
      const double part = sums[t] > 0 ? share(t, a) : 0;
      svg.rect(at + 1, y + 1, cell - 2, cell_height - 2, {t == a ? "cell right" : "cell"});
      svg.rect(at + 1, y + 1, cell - 2, cell_height - 2,
               {fmt::format("mark shade {}", t == a ? "s0" : "s1"),
                fmt::format("truth {}, answered {}: {} of {}", matrix.classes[t], matrix.classes[a],
                            matrix.counts[t][a], sums[t]),
                0.45 * part});
      svg.text(at + cell / 2, y + cell_height / 2 - 2, std::to_string(matrix.counts[t][a]),
               "middle", "big");
      svg.text(at + cell / 2, y + cell_height / 2 + 16,
               percent_text(sums[t] > 0 ? part : std::numeric_limits<double>::quiet_NaN()),
               "middle");
    }
  }
  return figure(matrix.title, matrix.caption, "", svg.str(), table);
}

std::string reliability_diagram(const ReliabilityDiagram& diagram) {
  std::vector<std::vector<std::string>> rows;
  std::int64_t all = 0;
  for (const ReliabilityBin& bin : diagram.bins) {
    const bool any = bin.n > 0;
    rows.push_back({fmt::format("{} to {}", percent_text(bin.from), percent_text(bin.to)),
                    std::to_string(bin.n), any ? percent_text(bin.confidence) : "–",
                    any ? percent_text(bin.accuracy) : "–"});
    all += bin.n;
  }
  const std::string table =
      html_table(diagram.title + ", as a table",
                 {"probability of the answer", "pairs", "mean probability", "share right"}, rows);
  if (all == 0) return figure(diagram.title, diagram.caption, "", nothing_to_draw(), table);

  constexpr double left = 62, right = 22, top = 24, bottom = 46, height = 290;
  const Axis x{0, 1, left, chart_width - right}, y{0, 1, height - bottom, top};
  Svg svg(chart_width, height,
          fmt::format("{}. Share of right answers over the answer's probability, in {} bins. The "
                      "figures are in the table below.",
                      diagram.title, diagram.bins.size()));
  for (const double tick : axis_ticks(0, 1, 5)) {
    svg.line(left, y(tick), chart_width - right, y(tick), {"grid"});
    svg.text(left - 6, y(tick) + 4, tick_text(tick, Scale::share), "end");
    svg.text(x(tick), height - bottom + 18, tick_text(tick, Scale::share), "middle");
  }
  svg.text((left + chart_width - right) / 2, height - 6, "probability of the answer", "middle");
  svg.upright_text(12, (top + height - bottom) / 2, "share right");
  for (const ReliabilityBin& bin : diagram.bins) {
    if (bin.n == 0) continue;
    const double from = x(bin.from) + 1, to = x(bin.to) - 1;
    svg.rect(from, y(bin.accuracy), to - from, y(0) - y(bin.accuracy),
             {"mark bar s0",
              fmt::format("{} pairs, mean probability {}, {} right", bin.n,
                          percent_text(bin.confidence), percent_text(bin.accuracy)),
              0.75});
  }
  svg.line(x(0), y(0), x(1), y(1), {"reference"});
  for (const ReliabilityBin& bin : diagram.bins) {
    if (bin.n == 0) continue;
    svg.circle(x(bin.confidence), y(bin.accuracy), 4, {"point s1"});
    svg.text((x(bin.from) + x(bin.to)) / 2, std::min(y(bin.accuracy), y(bin.confidence)) - 8,
             std::to_string(bin.n), "middle", "note halo");
  }
  svg.line(left, y(0), chart_width - right, y(0), {"axis"});
  return figure(diagram.title, diagram.caption, "", svg.str(), table);
}

}  // namespace duet
