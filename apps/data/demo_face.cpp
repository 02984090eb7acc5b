#include "apps/data/demo_face.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace duet::demo {
namespace {

constexpr double pi = 3.14159265358979323846;

template <std::size_t N>
Colour any_of(const std::array<Colour, N>& palette, RandomSequence& random) {
  const Colour colour = palette[random.below(N)];
  return shade(colour, random.uniform(0.88, 1.1));
}

/// Right half to left half below the ears, or all around: angles as in `ellipse`.
Outline head_outline(const Person& p, double grow, double from, double to) {
  Outline outline;
  constexpr int pieces = 64;
  for (int i = 0; i <= pieces; ++i) {
    const double angle = from + (to - from) * i / pieces;
    const double c = std::cos(angle), s = std::sin(angle);
    const double narrow = s > 0 ? 1 - p.jaw * s * s : 1;
    outline.push_back({grow * p.head_width * narrow * std::copysign(std::pow(std::abs(c), 0.9), c),
                       grow * (s > 0 ? p.chin : p.crown) * s});
  }
  return outline;
}

/// One face on one canvas; each step paints over the ones before it.
class Painter {
 public:
  Painter(Canvas& canvas, const Person& person, const Expression& expression, double yaw)
      : canvas_(canvas), p_(person), e_(expression), yaw_(yaw) {
    // Brows stand out from any skin.
    const double bright = p_.hair.r + p_.hair.g + p_.hair.b;
    const double allowed = 0.4 * (p_.skin.r + p_.skin.g + p_.skin.b);
    brow_ = shade(p_.hair, std::min(0.8, allowed / bright));
    line_ = shade(mix(p_.skin, {0.35, 0.12, 0.08}, 0.45), 0.75);
  }

  void paint() {
    hair_behind();
    body();
    ears();
    head();
    forehead();
    for (const double side : {-1.0, 1.0}) eye(side);
    frown_lines();
    for (const double side : {-1.0, 1.0}) brow(side);
    nose();
    hair_before();
    mask();
    if (p_.glasses) glasses();
  }

 private:
  /// Features on the front of the head follow its turning.
  Point front(double x, double y) const { return {x + yaw_, y}; }
  void stroke(const Outline& path, double begin, double middle, double end, Colour colour,
              double opacity = 1) {
    canvas_.fill(brush(path, begin, middle, end), colour, opacity);
  }

  void hair_behind() {
    const double w = p_.head_width;
    if (p_.hair_style == Hair::long_straight) {
      Outline back = ellipse({0, -0.1}, w * 1.2, p_.crown * 0.98, pi, 2 * pi);
      back.push_back({w * 1.3, 1.05});
      back.push_back({-w * 1.3, 1.05});
      canvas_.fill(back, shade(p_.hair, 0.72));
    } else if (p_.hair_style == Hair::bun) {
      canvas_.fill(ellipse({0, -p_.crown * 1.06}, w * 0.4, 0.2), shade(p_.hair, 0.8));
    } else if (p_.hair_style == Hair::curly) {
      curls(1.1, 0.82 * pi, 2.18 * pi, shade(p_.hair, 0.8));
    }
  }

  void curls(double grow, double from, double to, Colour colour) {
    const Outline row = head_outline(p_, grow, from, to);
    for (std::size_t i = 0; i < row.size(); i += 5)
      canvas_.fill(ellipse(row[i], 0.125, 0.125), shade(colour, i % 2 == 0 ? 1.0 : 1.08));
  }

  void body() {
    canvas_.fill({{-0.26, 0.55}, {0.26, 0.55}, {0.3, 1.3}, {-0.3, 1.3}}, shade(p_.skin, 0.74));
    canvas_.fill(ellipse({0, 1.42}, 1.05, 0.5), p_.clothes);
    stroke(ellipse({0, 0.98}, 0.34, 0.12, 0, pi), 0.02, 0.05, 0.02, shade(p_.clothes, 0.7));
  }

  void ears() {
    for (const double side : {-1.0, 1.0}) {
      const Point at{side * p_.head_width * 1.0 - 0.4 * yaw_, p_.eye_height + 0.12};
      canvas_.fill(ellipse(at, 0.085, 0.16), shade(p_.skin, 0.9));
      canvas_.fill(ellipse(at, 0.045, 0.1), shade(p_.skin, 0.76));
    }
  }

  void head() {
    const Outline head = head_outline(p_, 1, 0, 2 * pi);
    canvas_.fill(head, p_.skin);
    canvas_.clip(head);
    for (const double side : {-1.0, 1.0}) {
      canvas_.spot({side * p_.head_width * 1.05, 0.1}, 0.4, 1.1, shade(p_.skin, 0.6), 0.6);
      canvas_.spot(front(side * 0.36, 0.2), 0.22, 0.16, {0.9, 0.4, 0.36}, 0.28);
      canvas_.spot(front(side * p_.eye_apart, p_.eye_height - 0.02), 0.24, 0.2,
                   shade(p_.skin, 0.68), 0.5);
    }
    canvas_.spot(front(0, -0.42), 0.42, 0.26, shade(p_.skin, 1.25), 0.4);
    canvas_.unclip();
  }

  void forehead() {
    for (int i = 0; i < p_.wrinkles; ++i) {
      const double y = p_.brow_height - 0.13 - 0.07 * i, half = 0.26 - 0.04 * i;
      stroke(curve(front(-half, y + 0.02), front(0, y - 0.03), front(half, y + 0.02)), 0.004, 0.016,
             0.004, line_, 0.45);
    }
  }

  void eye(double side) {
    const double a = p_.eye_width, open = p_.eye_width * e_.eye_open;
    const double x = side * p_.eye_apart, y = p_.eye_height;
    // inner and outer corner, then the control points of the lids
    const Point inner = front(x - side * a, y + 0.02 + 0.01 * e_.frown);
    const Point outer = front(x + side * a, y + p_.eye_slant);
    const Point above = front(x + side * a * (0.05 + 0.5 * e_.frown), y - open * 1.15);
    const Point below = front(x + side * 0.02, y + open * (0.85 - 1.0 * e_.smile) + 0.015);
    const Outline upper = curve(inner, above, outer), lower = curve(inner, below, outer);
    Outline shape = upper;
    shape.insert(shape.end(), lower.rbegin(), lower.rend());

    canvas_.clip(shape);
    canvas_.fill(shape, {0.96, 0.95, 0.93});
    const Point centre = front(x + 0.25 * yaw_, y - 0.008);
    canvas_.fill(ellipse(centre, a * 0.46, a * 0.46), shade(p_.iris, 0.55));
    canvas_.fill(ellipse(centre, a * 0.4, a * 0.4), p_.iris);
    canvas_.fill(ellipse(centre, a * 0.21, a * 0.21), {0.05, 0.04, 0.05});
    canvas_.fill(ellipse(centre + Point{-0.028, -0.03}, 0.02, 0.02), {1, 1, 1});
    stroke(upper, 0.02, 0.055, 0.03, {0.15, 0.1, 0.1}, 0.35);
    canvas_.unclip();

    const Colour lash = mix(line_, {0.1, 0.06, 0.06}, 0.75);
    stroke(upper, 0.014, 0.034, 0.03, lash);
    stroke(lower, 0.006, 0.014, 0.014, lash, 0.6);
    const Point fold{0, -0.05};
    stroke(curve(inner + fold, above + fold, outer + fold), 0.004, 0.012, 0.004, line_, 0.5);
    if (e_.smile > 0.25) {  // the cheek pushes a fold under the eye; crow's feet
      const double shown = (e_.smile - 0.25) / 0.75;
      const Point under{0, 0.075};
      stroke(curve(inner + under, below + 1.3 * under, outer + under), 0.004, 0.02, 0.004, line_,
             0.55 * shown);
      for (const double way : {-0.55, 0.0, 0.55})
        stroke(curve(outer + Point{side * 0.03, 0.03 * way}, outer + Point{side * 0.07, 0.06 * way},
                     outer + Point{side * 0.11, 0.13 * way}),
               0.016, 0.016, 0.004, line_, 0.75 * shown);
    }
  }

  void brow(double side) {
    const double x = side * p_.eye_apart, a = p_.eye_width * 1.25;
    const double y = p_.brow_height - e_.brow_lift + 0.035 * e_.frown;
    const Point inner =
        front(x - side * a * (0.85 + 0.15 * e_.frown), y + p_.brow_slant + 0.16 * e_.frown);
    const Point outer = front(x + side * a, y + 0.03 - p_.brow_slant - 0.08 * e_.frown);
    const Point arch = front(x + side * 0.04, y - p_.brow_arch * (1 - 0.7 * e_.frown));
    stroke(curve(inner, arch, outer), p_.brow_width, p_.brow_width * 1.1, p_.brow_width * 0.25,
           brow_, 0.92);
  }

  void frown_lines() {
    if (e_.frown <= 0) return;
    for (const double side : {-1.0, 1.0}) {
      const double y = p_.brow_height;
      stroke(
          curve(front(side * 0.05, y - 0.07), front(side * 0.03, y), front(side * 0.055, y + 0.13)),
          0.01, 0.036, 0.012, line_, 0.9 * e_.frown);
    }
    canvas_.spot(front(0, p_.brow_height + 0.04), 0.24, 0.18, line_, 0.7 * e_.frown);
  }

  void nose() {
    for (const double side : {-1.0, 1.0})
      stroke(curve(front(side * 0.055, p_.eye_height - 0.02), front(side * 0.05, 0.06),
                   front(side * 0.09, 0.22)),
             0.006, 0.014, 0.006, line_, 0.3);
    canvas_.spot(front(0, 0.06), 0.045, 0.2, shade(p_.skin, 1.3), 0.5);
  }

  /// The cap of hair between the crown and a hairline.
  void hair_cap(double grow, double temple, const Outline& hairline) {
    Outline cap = head_outline(p_, grow, pi - temple, 2 * pi + temple);
    cap.insert(cap.end(), hairline.begin(), hairline.end());
    canvas_.fill(cap, p_.hair);
    canvas_.clip(cap);
    canvas_.spot({-0.12, -p_.crown * 0.9}, 0.5, 0.22, shade(p_.hair, 1.45), 0.6);
    canvas_.spot({0.45, -p_.crown * 0.6}, 0.4, 0.5, shade(p_.hair, 0.5), 0.5);
    canvas_.unclip();
  }

  void hair_before() {
    const double w = p_.head_width, top = -p_.crown;
    switch (p_.hair_style) {
      case Hair::bald: canvas_.spot({-0.16, top * 0.8}, 0.24, 0.12, {1, 1, 1}, 0.35); break;
      case Hair::cropped:
        hair_cap(1.03, 0.0,
                 curve({w * 0.93, -0.12}, {w * 0.85, top * 0.72}, {w * 0.5, top * 0.72}));
        break;
      case Hair::parted: {
        Outline line = curve({w * 0.95, -0.1}, {w * 0.8, top * 0.8}, {0.14, top * 0.95});
        const Outline rest = curve({0.14, top * 0.95}, {-w * 0.9, top * 0.85}, {-w * 0.95, -0.1});
        line.insert(line.end(), rest.begin(), rest.end());
        hair_cap(1.08, 0.06, line);
        break;
      }
      case Hair::fringe: {
        Outline line{{w * 0.93, -0.02}};
        for (int i = 0; i <= 8; ++i)
          line.push_back({w * (0.84 - 0.21 * i), top * (i % 2 == 0 ? 0.56 : 0.64)});
        line.push_back({-w * 0.93, -0.02});
        hair_cap(1.08, 0.08, line);
        break;
      }
      case Hair::curly:
        hair_cap(1.08, 0.0, curve({w * 0.9, -0.15}, {0, top * 1.12}, {-w * 0.9, -0.15}));
        curls(0.98, 1.12 * pi, 1.88 * pi, p_.hair);
        break;
      case Hair::long_straight: {
        Outline line = curve({w * 0.92, 0.1}, {w * 0.78, top * 0.7}, {0.02, top * 0.92});
        const Outline rest = curve({0.02, top * 0.92}, {-w * 0.78, top * 0.7}, {-w * 0.92, 0.1});
        line.insert(line.end(), rest.begin(), rest.end());
        hair_cap(1.1, 0.16, line);
        break;
      }
      case Hair::bun:
        hair_cap(1.04, 0.0, curve({w * 0.93, -0.12}, {0, top * 1.28}, {-w * 0.93, -0.12}));
        break;
      case Hair::cap: {
        Outline cap = head_outline(p_, 1.1, pi + 0.42, 2 * pi - 0.42);
        canvas_.fill(cap, p_.clothes);
        const Point left = cap.front(), right = cap.back();
        Outline rim = curve(left, {yaw_, left.y - 0.2}, right);
        stroke(rim, 0.12, 0.17, 0.12, shade(p_.clothes, 0.72));
        break;
      }
    }
  }

  void mask() {
    const double w = p_.head_width, side_y = 0.16 + 0.3 * p_.mask_height, top = p_.mask_height;
    const Colour cloth = p_.mask, dark = shade(cloth, 0.66);
    // ear loops under the mask's rim
    for (const double side : {-1.0, 1.0}) {
      const Point ear{side * w * 1.02 - 0.3 * yaw_, p_.eye_height + 0.1};
      stroke(curve({side * w * 0.86, side_y + 0.03}, {side * w * 0.95, side_y - 0.1}, ear), 0.022,
             0.022, 0.022, mix(cloth, {1, 1, 1}, 0.5));
      stroke(curve({side * w * 0.8, 0.55}, {side * w, 0.4}, ear), 0.022, 0.022, 0.022,
             mix(cloth, {0.8, 0.8, 0.8}, 0.5));
    }
    const double angle = std::asin(std::clamp(side_y / p_.chin, 0.0, 0.9));
    Outline shape = head_outline(p_, 1.015, angle, pi - angle);
    const double ridge = p_.mask_kind == Mask::respirator ? 0.06 : 0.14;
    const Outline left = curve(shape.back(), front(-ridge * 1.9, top - 0.03), front(-0.06, top));
    const Outline right = curve(front(0.06, top), front(ridge * 1.9, top - 0.03), shape.front());
    shape.insert(shape.end(), left.begin(), left.end());
    shape.insert(shape.end(), right.begin(), right.end());
    canvas_.fill(shape, cloth);
    canvas_.clip(shape);
    if (p_.mask_kind == Mask::cloth && p_.mask_pattern == 1)
      for (int i = -5; i <= 5; ++i)
        stroke({front(0.14 * i - 0.1, -0.1), front(0.14 * i + 0.1, 1)}, 0.045, 0.045, 0.045,
               mix(cloth, {1, 1, 1}, 0.6));
    if (p_.mask_kind == Mask::cloth && p_.mask_pattern == 2)
      for (int row = 0; row < 7; ++row)
        for (int i = -4; i <= 4; ++i)
          canvas_.fill(ellipse(front(0.16 * i + 0.08 * (row % 2), 0.14 + 0.115 * row), 0.03, 0.03),
                       mix(cloth, {1, 1, 1}, 0.7));
    canvas_.spot(front(-0.06, top + 0.2), 0.34, 0.3, mix(cloth, {1, 1, 1}, 0.7), 0.55);
    for (const double side : {-1.0, 1.0}) canvas_.spot({side * w, 0.5}, 0.42, 0.7, dark, 0.75);
    canvas_.spot({0, p_.chin}, 0.55, 0.2, dark, 0.7);
    if (p_.mask_kind == Mask::surgical)
      for (int i = 0; i < 3; ++i) {
        const double y = top + 0.23 + 0.15 * i;
        stroke(curve({-w * 0.95, y + 0.02}, front(0, y + 0.06), {w * 0.95, y + 0.02}), 0.02, 0.026,
               0.02, dark, 0.75);
      }
    else
      stroke({front(0, top), front(0.015, top + 0.35), front(0, p_.chin)}, 0.012, 0.03, 0.012, dark,
             0.7);
    canvas_.unclip();
    stroke(left, 0.02, 0.024, 0.024, dark, 0.7);
    stroke(right, 0.024, 0.024, 0.02, dark, 0.7);
    if (p_.mask_kind != Mask::cloth)  // the wire over the nose
      stroke(curve(front(-0.12, top + 0.035), front(0, top + 0.02), front(0.12, top + 0.035)),
             0.025, 0.03, 0.025, mix(cloth, {1, 1, 1}, 0.5));
  }

  void glasses() {
    const Colour frame{0.12, 0.11, 0.13};
    for (const double side : {-1.0, 1.0}) {
      const Point at = front(side * p_.eye_apart, p_.eye_height + 0.01);
      const double rx = p_.eye_apart * 0.86, ry = 0.175;
      canvas_.fill(ellipse(at, rx, ry), {0.9, 0.95, 1.0}, 0.1);
      stroke(ellipse(at, rx, ry), 0.024, 0.024, 0.024, frame);
      stroke({at + Point{side * rx, -0.02}, {side * p_.head_width, p_.eye_height - 0.02}}, 0.024,
             0.024, 0.024, frame);
    }
    stroke(curve(front(-0.045, p_.eye_height), front(0, p_.eye_height - 0.04),
                 front(0.045, p_.eye_height)),
           0.024, 0.024, 0.024, frame);
  }

  Canvas& canvas_;
  const Person& p_;
  const Expression& e_;
  double yaw_;
  Colour brow_, line_;
};

}  // namespace

Person draw_person(RandomSequence& random) {
  static constexpr std::array<Colour, 6> skins{{{0.98, 0.84, 0.74},
                                                {0.95, 0.77, 0.64},
                                                {0.87, 0.66, 0.5},
                                                {0.74, 0.53, 0.38},
                                                {0.58, 0.39, 0.27},
                                                {0.45, 0.3, 0.22}}};
  static constexpr std::array<Colour, 6> hairs{{{0.12, 0.1, 0.1},
                                                {0.28, 0.18, 0.12},
                                                {0.45, 0.29, 0.17},
                                                {0.83, 0.66, 0.38},
                                                {0.62, 0.27, 0.13},
                                                {0.66, 0.66, 0.67}}};
  static constexpr std::array<Colour, 4> irises{
      {{0.36, 0.22, 0.12}, {0.3, 0.5, 0.66}, {0.32, 0.48, 0.28}, {0.45, 0.38, 0.2}}};
  static constexpr std::array<Colour, 6> fabrics{{{0.22, 0.3, 0.46},
                                                  {0.62, 0.22, 0.24},
                                                  {0.25, 0.43, 0.34},
                                                  {0.82, 0.66, 0.3},
                                                  {0.35, 0.33, 0.37},
                                                  {0.58, 0.46, 0.64}}};
  static constexpr std::array<Colour, 3> papers{
      {{0.6, 0.8, 0.9}, {0.68, 0.86, 0.8}, {0.93, 0.93, 0.94}}};
  Person p;
  p.skin = any_of(skins, random);
  p.hair = any_of(hairs, random);
  p.iris = any_of(irises, random);
  p.clothes = any_of(fabrics, random);
  p.hair_style = static_cast<Hair>(random.below(8));
  p.mask_kind = static_cast<Mask>(random.below(3));
  p.mask = p.mask_kind == Mask::cloth ? any_of(fabrics, random) : any_of(papers, random);
  p.head_width = random.uniform(0.58, 0.68);
  p.crown = random.uniform(0.76, 0.84);
  p.chin = random.uniform(0.8, 0.9);
  p.jaw = random.uniform(0.06, 0.2);
  p.eye_apart = random.uniform(0.275, 0.31);
  p.eye_width = random.uniform(0.155, 0.18);
  p.eye_slant = random.uniform(-0.03, 0.02);
  p.eye_height = random.uniform(-0.12, -0.06);
  p.brow_width = random.uniform(0.065, 0.09);
  p.brow_height = p.eye_height - random.uniform(0.23, 0.26);
  p.brow_arch = random.uniform(0.02, 0.1);
  p.brow_slant = random.uniform(-0.012, 0.022);
  p.mask_height = random.uniform(0.08, 0.2);
  p.mask_pattern = static_cast<int>(random.below(3));
  p.wrinkles = static_cast<int>(random.below(4));
  p.glasses = random.below(5) == 0;
  return p;
}

Expression draw_expression(bool frowning, RandomSequence& random) {
  Expression e;
  const double strength = random.uniform(), eyes = random.uniform(), lift = random.uniform();
  e.frown = frowning ? 0.75 + 0.25 * strength : 0;
  e.smile = frowning ? 0 : strength;
  e.eye_open = (0.8 + 0.3 * eyes) * (1 - 0.3 * e.frown) * (1 - 0.15 * e.smile);
  e.brow_lift = -0.01 + 0.06 * lift * (1 - e.frown);
  return e;
}

std::vector<std::uint8_t> draw_face(const Person& person, const Expression& expression, int size,
                                    RandomSequence& random) {
  static constexpr std::array<Colour, 5> walls{{{0.72, 0.78, 0.82},
                                                {0.86, 0.82, 0.74},
                                                {0.62, 0.7, 0.62},
                                                {0.56, 0.56, 0.64},
                                                {0.84, 0.74, 0.72}}};
  Canvas canvas(size);
  const Colour wall = any_of(walls, random);
  canvas.clear(shade(wall, random.uniform(0.9, 1.15)), shade(wall, random.uniform(0.6, 0.85)));
  for (int i = 0; i < 4; ++i) {
    const double x = random.uniform(-1, 1), y = random.uniform(-1, 1);
    const double radius = random.uniform(0.3, 0.8);
    canvas.spot({x, y}, radius, radius, shade(wall, random.uniform(0.7, 1.3)), 0.5);
  }
  Frame frame;
  frame.shift.x = random.uniform(-0.05, 0.05);
  frame.shift.y = random.uniform(-0.02, 0.06);
  frame.roll = random.uniform(-0.07, 0.07);
  frame.scale = random.uniform(1.06, 1.16);
  canvas.set_frame(frame);
  Painter(canvas, person, expression, random.uniform(-0.05, 0.05)).paint();

  const std::vector<float> linear = canvas.finish();
  const double gain = random.uniform(0.9, 1.08);
  const double light_x = random.uniform(-0.18, 0.18), light_y = random.uniform(-0.15, 0.05);
  const double grain = random.uniform(0.008, 0.02);
  std::vector<std::uint8_t> picture(linear.size());
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x) {
      const double u = 2.0 * x / size - 1, v = 2.0 * y / size - 1;
      const double light = gain * (1 + light_x * u + light_y * v), noise = grain * random.normal();
      const std::size_t at = 3 * (std::size_t{1} * y * size + x);
      for (int c = 0; c < 3; ++c)
        picture[at + c] = static_cast<std::uint8_t>(
            std::lround(255 * std::clamp(linear[at + c] * light + noise, 0.0, 1.0)));
    }
  return picture;
}

}  // namespace duet::demo
