#pragma once
/// A drawing of lines, boxes and text. Colours come from the page, by class.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duet {

class Svg {
 public:
  /// What a mark looks like, and what is said when a pointer rests on it.
  struct Look {
    std::string_view css_class;
    std::string_view title = {};
    double opacity = 1;
  };

  /// In units of which the page shows as many as fit; `label` says what there is to see.
  Svg(double width, double height, std::string_view label);

  void rect(double x, double y, double width, double height, const Look& look);
  void line(double x1, double y1, double x2, double y2, const Look& look);
  void circle(double x, double y, double radius, const Look& look);
  /// A line through points; a NaN among them interrupts it.
  void path(const std::vector<std::pair<double, double>>& points, const Look& look);
  /// anchor: "start", "middle" or "end" is at x, the baseline at y.
  void text(double x, double y, std::string_view text, std::string_view anchor = "start",
            std::string_view css_class = {});
  /// The same, running upwards.
  void upright_text(double x, double y, std::string_view text);

  std::string str() const { return text_ + "</svg>\n"; }

 private:
  void mark(std::string_view element, const Look& look);

  std::string text_;
};

}  // namespace duet
