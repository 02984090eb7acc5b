#include "audio/colormap.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/palette/palette.h"
#include "tests/row_memory.h"

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
  const Tensor rgb = map_colors(Tensor::from(values, {3, 1}));
  CHECK(rgb.shape() == Shape{3, 1, 3});
  for (int i = 0; i < 3; ++i)
    for (int c = 0; c < 3; ++c) {
      CHECK(rgb.data<float>()[3 * i + c] == map_color(values[i])[c]);
      CHECK(map_color_8bit(values[i])[c] == std::lround(map_color(values[i])[c] * 255));
    }
}

TEST_CASE("palette: every row against the table by hand, in f32 and f64") {
  const std::vector<float> table = {0, 0.25f, 1, 0.5f, 0.75f, 0, 1, 0.5f, 0.125f};
  const std::vector<double> x = {-1, 0, 0.125, 0.5, 0.75, 1, 2, std::nan("")};
  const std::vector<double> expected = {0,    0.25,  1,    0,   0.25,  1,     0.125,  0.375,
                                        0.75, 0.5,   0.75, 0,   0.75,  0.625, 0.0625, 1,
                                        0.5,  0.125, 1,    0.5, 0.125, 0,     0.25,   1};
  const PaletteParams p{std::ssize(x), 3};
  check(p, table);
  CHECK_THROWS_AS(check({8, 2}, table), Error);
  CHECK_THROWS_AS(check({8, 1}, std::span<const float>(table).first(3)), Error);
  int tried = 0;
  const auto try_row = [&](const PaletteRow& row, auto zero) {
    using T = decltype(zero);
    RowMemory memory(row);
    Exec exec = memory.exec();
    T* const y = memory.allocate_array<T>(3 * p.count);
    row.forward(exec, p, {memory.put(std::vector<T>(x.begin(), x.end())), {p.count}, dtype_of<T>},
                table, {y, {p.count, 3}, dtype_of<T>});
    const std::vector<T> got = memory.get(y, 3 * p.count);
    // Every product and sum here is exact.
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(got[i] == expected[i]);
    ++tried;
  };
  for (const PaletteRow& row : palette_rows().rows()) {
    CAPTURE(row.name);
    try_row(row, float{});
    try_row(row, double{});
  }
  CHECK(tried >= 4);
}
