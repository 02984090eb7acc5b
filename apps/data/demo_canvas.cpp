#include "apps/data/demo_canvas.h"

#include <algorithm>
#include <cmath>

namespace duet::demo {

Colour mix(Colour a, Colour b, double t) {
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

Colour shade(Colour c, double factor) {
  return {std::min(1.0, c.r * factor), std::min(1.0, c.g * factor), std::min(1.0, c.b * factor)};
}

Outline ellipse(Point centre, double radius_x, double radius_y, double from, double to) {
  constexpr int pieces = 40;
  Outline outline;
  for (int i = 0; i <= pieces; ++i) {
    const double angle = from + (to - from) * i / pieces;
    outline.push_back(
        {centre.x + radius_x * std::cos(angle), centre.y + radius_y * std::sin(angle)});
  }
  return outline;
}

Outline curve(Point begin, Point control, Point end) {
  constexpr int pieces = 14;
  Outline path;
  for (int i = 0; i <= pieces; ++i) {
    const double t = static_cast<double>(i) / pieces, s = 1 - t;
    path.push_back(s * s * begin + 2 * s * t * control + t * t * end);
  }
  return path;
}

Outline brush(const Outline& path, double begin, double middle, double end) {
  const std::size_t n = path.size();
  Outline near, far;
  for (std::size_t i = 0; i < n; ++i) {
    const Point along = path[std::min(i + 1, n - 1)] - path[i == 0 ? 0 : i - 1];
    const double length = std::max(1e-9, std::hypot(along.x, along.y));
    const double t = static_cast<double>(i) / static_cast<double>(n - 1);
    const double width =
        begin * (1 - t) * (1 - 2 * t) + 4 * middle * t * (1 - t) + end * t * (2 * t - 1);
    const Point side = (0.5 * width / length) * Point{-along.y, along.x};
    near.push_back(path[i] + side);
    far.push_back(path[i] - side);
  }
  near.insert(near.end(), far.rbegin(), far.rend());
  return near;
}

Outline mirrored(Outline outline) {
  for (Point& p : outline) p.x = -p.x;
  return outline;
}

Canvas::Canvas(int size)
    : size_(size),
      side_(size * samples_),
      clip_(std::size_t{1} * side_ * side_),
      rgb_(std::size_t{3} * side_ * side_) {}

void Canvas::set_frame(const Frame& frame) {
  frame_ = frame;
  cos_ = std::cos(frame.roll);
  sin_ = std::sin(frame.roll);
}

Point Canvas::to_samples(Point p) const {
  const double x = frame_.scale * (cos_ * p.x - sin_ * p.y) + frame_.shift.x;
  const double y = frame_.scale * (sin_ * p.x + cos_ * p.y) + frame_.shift.y;
  return {(x + 1) / 2 * side_, (y + 1) / 2 * side_};
}

template <class F>
void Canvas::scan(const Outline& outline, F&& f) const {
  struct Edge {
    double x0, y0, x1, y1;
    int winding;
  };
  struct Crossing {
    double x;
    int winding;
  };
  std::vector<Edge> edges;
  double top = side_, bottom = 0;
  for (std::size_t i = 0; i < outline.size(); ++i) {
    const Point a = to_samples(outline[i]), b = to_samples(outline[(i + 1) % outline.size()]);
    if (a.y == b.y) continue;
    edges.push_back(a.y < b.y ? Edge{a.x, a.y, b.x, b.y, 1} : Edge{b.x, b.y, a.x, a.y, -1});
    top = std::min(top, edges.back().y0);
    bottom = std::max(bottom, edges.back().y1);
  }
  const auto to_index = [&](double v) {  // the first sample whose centre is not left of v
    return static_cast<int>(std::clamp(std::ceil(v - 0.5), 0.0, static_cast<double>(side_)));
  };
  std::vector<Crossing> crossings;
  for (int y = to_index(top); y < to_index(bottom); ++y) {
    const double at = y + 0.5;
    crossings.clear();
    for (const Edge& e : edges)
      if (e.y0 <= at && at < e.y1)
        crossings.push_back({e.x0 + (e.x1 - e.x0) * (at - e.y0) / (e.y1 - e.y0), e.winding});
    std::sort(crossings.begin(), crossings.end(),
              [](const Crossing& a, const Crossing& b) { return a.x < b.x; });
    int winding = 0;
    for (std::size_t i = 0; i + 1 < crossings.size(); ++i) {
      winding += crossings[i].winding;
      const int begin = to_index(crossings[i].x), end = to_index(crossings[i + 1].x);
      if (winding != 0 && begin < end) f(y, begin, end);
    }
  }
}

void Canvas::blend(std::size_t at, Colour colour, float opacity) {
  if (clipped_ && clip_[at] == 0) return;
  float* pixel = &rgb_[3 * at];
  pixel[0] += opacity * (static_cast<float>(colour.r) - pixel[0]);
  pixel[1] += opacity * (static_cast<float>(colour.g) - pixel[1]);
  pixel[2] += opacity * (static_cast<float>(colour.b) - pixel[2]);
}

void Canvas::clip(const Outline& outline) {
  std::fill(clip_.begin(), clip_.end(), std::uint8_t{0});
  scan(outline, [&](int y, int begin, int end) {
    const auto row = clip_.begin() + std::ptrdiff_t{y} * side_;
    std::fill(row + begin, row + end, std::uint8_t{1});
  });
  clipped_ = true;
}

void Canvas::clear(Colour top, Colour bottom) {
  for (int y = 0; y < side_; ++y) {
    const Colour colour = mix(top, bottom, static_cast<double>(y) / side_);
    for (int x = 0; x < side_; ++x) blend(std::size_t{1} * y * side_ + x, colour, 1);
  }
}

void Canvas::fill(const Outline& outline, Colour colour, double opacity) {
  scan(outline, [&](int y, int begin, int end) {
    for (int x = begin; x < end; ++x)
      blend(std::size_t{1} * y * side_ + x, colour, static_cast<float>(opacity));
  });
}

void Canvas::spot(Point centre, double radius_x, double radius_y, Colour colour, double opacity) {
  const Point middle = to_samples(centre);
  const double unit = 2 / (frame_.scale * side_);
  scan(ellipse(centre, radius_x, radius_y), [&](int y, int begin, int end) {
    for (int x = begin; x < end; ++x) {
      const double dx = (x + 0.5 - middle.x) * unit, dy = (y + 0.5 - middle.y) * unit;
      const double u = (cos_ * dx + sin_ * dy) / radius_x, v = (cos_ * dy - sin_ * dx) / radius_y;
      const double fall = std::max(0.0, 1 - u * u - v * v);
      blend(std::size_t{1} * y * side_ + x, colour, static_cast<float>(opacity * fall * fall));
    }
  });
}

std::vector<float> Canvas::finish() const {
  std::vector<float> picture(std::size_t{3} * size_ * size_);
  for (int y = 0; y < side_; ++y)
    for (int x = 0; x < side_; ++x)
      for (int c = 0; c < 3; ++c)
        picture[3 * (std::size_t{1} * (y / samples_) * size_ + x / samples_) + c] +=
            rgb_[3 * (std::size_t{1} * y * side_ + x) + c] / (samples_ * samples_);
  return picture;
}

}  // namespace duet::demo
