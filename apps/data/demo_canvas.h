#pragma once
/// A small antialiased painter for the demo's faces: filled outlines, clipping, soft spots.

#include <cstdint>
#include <vector>

namespace duet::demo {

struct Point {
  double x = 0, y = 0;
};
inline Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
inline Point operator*(double s, Point p) { return {s * p.x, s * p.y}; }

/// Red, green, blue in 0 … 1.
struct Colour {
  double r = 0, g = 0, b = 0;
};
/// Between `a` (t = 0) and `b` (t = 1).
Colour mix(Colour a, Colour b, double t);
/// Darker (factor < 1) or brighter.
Colour shade(Colour colour, double factor);

/// A closed polygon, or an open path where a function says so.
using Outline = std::vector<Point>;

/// Points of an ellipse from one angle to another (radians, clockwise on the screen, 0 to the
/// right).
Outline ellipse(Point centre, double radius_x, double radius_y, double from = 0,
                double to = 6.283185307179586);
/// The quadratic Bézier curve as an open path.
Outline curve(Point begin, Point control, Point end);
/// The closed outline of a brush drawn along an open path; its width goes from `begin` over
/// `middle` to `end`.
Outline brush(const Outline& path, double begin, double middle, double end);
/// Every point (x, y) to (-x, y).
Outline mirrored(Outline outline);

/// Where drawing coordinates lie on the canvas: rotated by `roll`, scaled, then shifted. The canvas
/// itself spans -1 … 1 in both directions, y down.
struct Frame {
  Point shift;
  double roll = 0, scale = 1;
};

class Canvas {
 public:
  /// `size`: side of the finished square picture in pixels.
  explicit Canvas(int size);

  int size() const { return size_; }
  void set_frame(const Frame& frame);
  /// Until `unclip`, painting reaches only the inside of the outline.
  void clip(const Outline& outline);
  void unclip() { clipped_ = false; }

  /// Vertical gradient over everything.
  void clear(Colour top, Colour bottom);
  void fill(const Outline& outline, Colour colour, double opacity = 1);
  /// An ellipse whose opacity falls smoothly from `opacity` at its centre to nothing at its rim.
  void spot(Point centre, double radius_x, double radius_y, Colour colour, double opacity);

  /// The picture, (size, size, 3): mean over the samples of each pixel, not yet clamped.
  std::vector<float> finish() const;

 private:
  static constexpr int samples_ = 4;  // in each direction of a pixel

  Point to_samples(Point p) const;
  /// Calls f(y, x_begin, x_end) for the sample runs inside the outline (non-zero winding).
  template <class F>
  void scan(const Outline& outline, F&& f) const;
  void blend(std::size_t at, Colour colour, float opacity);

  int size_, side_;
  Frame frame_;
  double cos_ = 1, sin_ = 0;
  bool clipped_ = false;
  std::vector<std::uint8_t> clip_;  // (side, side)
  std::vector<float> rgb_;          // (side, side, 3)
};

}  // namespace duet::demo
