#include "audio/colormap.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/base/error.h"

using namespace duet;

namespace {

/// Relative luminance Y of an sRGB colour, and from it CIE lightness L* (0 … 100).
double lightness(const std::array<float, 3>& color) {
  const auto linear = [](double x) {
    return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
  };
  const double y =
      0.2126 * linear(color[0]) + 0.7152 * linear(color[1]) + 0.0722 * linear(color[2]);
  return y > 0.008856 ? 116 * std::cbrt(y) - 16 : 903.3 * y;
}

}  // namespace

TEST_CASE("colormap: lightness grows from black to nearly white, evenly, without jumps") {
  double before = lightness(map_color(0));
  CHECK(before < 3);
  for (int i = 1; i <= 256; ++i) {
    const auto left = map_color((i - 1) / 256.0f), right = map_color(i / 256.0f);
    const double now = lightness(right);
    // An even map rises by 97 / 256 = 0.38 a step; Oklab's lightness and CIE's differ by hue, and
    // near black by definition.
    CHECK(now > before);
    CHECK(now - before < 1);
    for (int c = 0; c < 3; ++c) {
      CHECK(right[c] >= 0);
      CHECK(right[c] <= 1);
      CHECK(std::abs(right[c] - left[c]) < 0.03f);
    }
    before = now;
  }
  CHECK(before > 94);
}

TEST_CASE("colormap: ends, arrays and 8 bits") {
  CHECK(map_color(-3) == map_color(0));
  CHECK(map_color(7) == map_color(1));
  CHECK(map_color(std::numeric_limits<float>::quiet_NaN()) == map_color(0));
  const std::vector<float> values = {0.0f, 0.3f, 1.0f};
  std::vector<float> rgb(9);
  map_colors(values, rgb);
  for (int i = 0; i < 3; ++i)
    for (int c = 0; c < 3; ++c) {
      CHECK(rgb[3 * i + c] == map_color(values[i])[c]);
      CHECK(map_color_8bit(values[i])[c] == std::lround(rgb[3 * i + c] * 255));
    }
  CHECK_THROWS_AS(map_colors(values, std::span<float>(rgb).first(8)), Error);
}
