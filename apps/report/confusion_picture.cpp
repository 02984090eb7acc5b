#include "apps/report/confusion_picture.h"

#include <cctype>
#include <numeric>
#include <string_view>

namespace duet {
namespace {

using Colour = std::array<std::uint8_t, 3>;
constexpr Colour white = {255, 255, 255}, black = {0, 0, 0}, blue = {8, 48, 107};

constexpr int glyph_width = 3, glyph_height = 5, advance = 4;
/// Five rows of three dots for each digit and letter: an octal digit a row, the leftmost dot its
/// highest bit.
constexpr std::array<std::string_view, 36> glyphs = {
    "75557", "26227", "71747", "71717", "55711", "74717", "74757", "71122", "75757",
    "75717", "25755", "65656", "34443", "65556", "74647", "74644", "34553", "55755",
    "72227", "11152", "55655", "44447", "57755", "65555", "25552", "65644", "25573",
    "65655", "34216", "72222", "55557", "55552", "55775", "55255", "55222", "71247"};

std::string_view glyph_of(char c) {
  const auto u = static_cast<unsigned char>(c);
  if (std::isdigit(u)) return glyphs[u - '0'];
  if (std::isalpha(u)) return glyphs[10 + std::toupper(u) - 'A'];
  return "00000";
}

class Canvas {
 public:
  Canvas(int height, int width) {
    picture_.height = height;
    picture_.width = width;
    picture_.rgb.assign(std::size_t{3} * height * width, 255);
  }

  void fill(int top, int left, int height, int width, Colour colour) {
    for (int y = top; y < top + height; ++y)
      for (int x = left; x < left + width; ++x)
        std::copy(colour.begin(), colour.end(),
                  picture_.rgb.begin() + 3 * (std::ptrdiff_t{y} * picture_.width + x));
  }

  /// Around a middle, a dot being `scale` pixels wide and high.
  void text(int middle_y, int middle_x, int scale, std::string_view text, Colour colour) {
    const int top = middle_y - scale * glyph_height / 2;
    int left = middle_x - scale * (advance * static_cast<int>(text.size()) - 1) / 2;
    for (const char c : text) {
      const std::string_view rows = glyph_of(c);
      for (int y = 0; y < glyph_height; ++y)
        for (int x = 0; x < glyph_width; ++x)
          if ((rows[y] - '0') >> (glyph_width - 1 - x) & 1)
            fill(top + scale * y, left + scale * x, scale, scale, colour);
      left += scale * advance;
    }
  }

  Picture take() { return std::move(picture_); }

 private:
  Picture picture_;
};

Colour blend(Colour from, Colour to, double share) {
  Colour result{};
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<std::uint8_t>(from[i] + share * (to[i] - from[i]));
  return result;
}

}  // namespace

Picture confusion_picture(
    const std::array<std::array<std::int64_t, class_count>, class_count>& counts) {
  constexpr int cell = 80, left = 80, top = 40, gap = 2;
  Canvas canvas(top + class_count * cell, left + class_count * cell);
  canvas.text(top * 3 / 4, left / 2, 2, "truth", black);
  canvas.text(top / 4, left + class_count * cell / 2, 2, "answer", black);
  for (int truth = 0; truth < class_count; ++truth) {
    const int middle = cell * truth + cell / 2;
    canvas.text(top + middle, left / 2, 2, class_names[truth], black);
    canvas.text(top * 3 / 4, left + middle, 2, class_names[truth], black);
    const auto& row = counts[truth];
    const auto all = std::accumulate(row.begin(), row.end(), std::int64_t{0});
    for (int answer = 0; answer < class_count; ++answer) {
      const double share =
          all > 0 ? static_cast<double>(row[answer]) / static_cast<double>(all) : 0;
      const int y = top + cell * truth, x = left + cell * answer;
      canvas.fill(y, x, cell - gap, cell - gap, blend(white, blue, share));
      canvas.text(y + cell / 2, x + cell / 2, 3, std::to_string(row[answer]),
                  share < 0.5 ? black : white);
    }
  }
  return canvas.take();
}

}  // namespace duet
