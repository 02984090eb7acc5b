#include "apps/report/svg.h"

#include <fmt/format.h>

#include <cmath>

#include "apps/report/html.h"

namespace duet {

Svg::Svg(double width, double height, std::string_view label)
    : text_(fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n",
                        width, height, escaped(label))) {}

void Svg::mark(std::string_view element, const Look& look) {
  text_ += fmt::format("<{} class=\"{}\"", element, escaped(look.css_class));
  if (look.opacity != 1) text_ += fmt::format(" fill-opacity=\"{:.3f}\"", look.opacity);
  if (look.title.empty())
    text_ += "/>\n";
  else
    text_ += fmt::format("><title>{}</title></{}>\n", escaped(look.title),
                         element.substr(0, element.find(' ')));
}

void Svg::rect(double x, double y, double width, double height, const Look& look) {
  mark(fmt::format("rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"", x, y, width,
                   height),
       look);
}

void Svg::line(double x1, double y1, double x2, double y2, const Look& look) {
  mark(fmt::format("line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"", x1, y1, x2, y2),
       look);
}

void Svg::circle(double x, double y, double radius, const Look& look) {
  mark(fmt::format("circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"", x, y, radius), look);
}

void Svg::path(const std::vector<std::pair<double, double>>& points, const Look& look) {
  std::string d;
  bool drawing = false;
  for (const auto& [x, y] : points) {
    const bool there = std::isfinite(x) && std::isfinite(y);
    if (there) d += fmt::format("{}{:.1f} {:.1f}", drawing ? 'L' : 'M', x, y);
    drawing = there;
  }
  mark(fmt::format("path d=\"{}\"", d), look);
}

void Svg::text(double x, double y, std::string_view text, std::string_view anchor,
               std::string_view css_class) {
  text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"", x, y, anchor);
  if (!css_class.empty()) text_ += fmt::format(" class=\"{}\"", escaped(css_class));
  text_ += fmt::format(">{}</text>\n", escaped(text));
}

void Svg::upright_text(double x, double y, std::string_view text) {
  text_ += fmt::format(
      "<text transform=\"translate({:.1f} {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      x, y, escaped(text));
}

}  // namespace duet
