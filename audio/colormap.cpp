#include "audio/colormap.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "engine/ops/run.h"
#include "kernels/palette/palette.h"

namespace duet {
namespace {

/// The map's control points, equidistant in value: chroma and hue (degrees) in Oklab. Lightness is
/// a straight line. All lie inside what sRGB can show.
struct Control {
  double chroma, hue;
};
constexpr std::array<Control, 6> controls{
    {{0.02, 285}, {0.125, 300}, {0.17, 340}, {0.20, 375}, {0.14, 420}, {0.06, 465}}};
constexpr double darkest = 0.08, lightest = 0.97;

double to_srgb(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  return x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
}

/// Oklab to sRGB (B. Ottosson, "A perceptual color space for image processing", 2020).
std::array<float, 3> oklab_to_srgb(double lightness, double a, double b) {
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  return {static_cast<float>(to_srgb(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s)),
          static_cast<float>(to_srgb(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s)),
          static_cast<float>(to_srgb(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s))};
}

std::array<float, 3> compute_color(double value) {
  const double at = value * (controls.size() - 1);
  const auto left = std::min(static_cast<std::size_t>(at), controls.size() - 2);
  const double f = at - static_cast<double>(left);
  const Control &p = controls[left], &q = controls[left + 1];
  const double chroma = std::lerp(p.chroma, q.chroma, f);
  const double hue = std::lerp(p.hue, q.hue, f) * std::numbers::pi / 180;
  return oklab_to_srgb(std::lerp(darkest, lightest, value), chroma * std::cos(hue),
                       chroma * std::sin(hue));
}

/// The map is evaluated once at these many points, and linearly in between.
constexpr std::size_t table_size = 1025;

/// (table_size, 3)
const std::vector<float>& table() {
  static const std::vector<float> colors = [] {
    std::vector<float> all;
    for (std::size_t i = 0; i < table_size; ++i) {
      const auto color = compute_color(static_cast<double>(i) / (table_size - 1));
      all.insert(all.end(), color.begin(), color.end());
    }
    return all;
  }();
  return colors;
}

}  // namespace

std::array<float, 3> map_color(float value) {
  std::array<float, 3> color{};
  look_up_color(table().data(), table_size, value, color.data());
  return color;
}

std::array<std::uint8_t, 3> map_color_8bit(float value) {
  const std::array<float, 3> color = map_color(value);
  std::array<std::uint8_t, 3> result;
  for (std::size_t c = 0; c < 3; ++c)
    result[c] = static_cast<std::uint8_t>(std::lround(color[c] * 255));
  return result;
}

Tensor map_colors(const Tensor& values) {
  const PaletteParams params{values.numel(), table_size};
  check(params, table());
  std::vector<std::int64_t> shape;
  for (int i = 0; i < values.shape().rank(); ++i) shape.push_back(values.dim(i));
  shape.push_back(3);
  const Tensor rgb = Tensor::empty(Shape(shape), values.dtype(), values.device());
  const PaletteRow& row = select_row(palette_rows(), params, values);
  OpExec exec(row, values.device());
  row.forward(exec, params, values, table(), rgb);
  return rgb;
}

}  // namespace duet
