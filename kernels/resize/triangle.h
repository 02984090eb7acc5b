#pragma once
/// The triangle filter of bilinear resizing along one axis.

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/base/host_device.h"

namespace duet {

/// Which of `in` positions output i of `out` is made of: inputs begin … end − 1. Output i lies at
/// (i + 1/2) · in / out, on an axis where input k covers k … k + 1; the triangle around it reaches
/// one input to either side, or, when shrinking, in / out inputs, which averages away what the
/// smaller grid cannot hold. At the borders the part outside is cut off and the rest scaled up.
struct Triangle {
  std::int64_t begin, end;
  double centre, reach;

  DUET_HOST_DEVICE Triangle(std::int64_t in, std::int64_t out, std::int64_t i) {
    const double scale = static_cast<double>(in) / static_cast<double>(out);
    reach = scale > 1 ? scale : 1;
    centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = static_cast<std::int64_t>(floor(centre - reach + 0.5));
    const auto last = static_cast<std::int64_t>(floor(centre + reach + 0.5));
    begin = first > 0 ? first : 0;
    end = last < in ? last : in;
  }
  /// Of an input; to be divided by the sum of all of them.
  DUET_HOST_DEVICE double weight(std::int64_t k) const {
    const double height = 1 - fabs(static_cast<double>(k) + 0.5 - centre) / reach;
    return height > 0 ? height : 0;
  }
  DUET_HOST_DEVICE double sum() const {
    double all = 0;
    for (std::int64_t k = begin; k < end; ++k) all += weight(k);
    return all;
  }
};

/// What one output position is made of: inputs first … first + weights.size() - 1, with weights
/// that add up to 1.
template <class T>
struct Taps {
  std::int64_t first = 0;
  std::vector<T> weights;
};

/// The taps of every output position when `in` positions become `out`.
template <class T>
std::vector<Taps<T>> triangle_taps(std::int64_t in, std::int64_t out) {
  std::vector<Taps<T>> all(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    const Triangle triangle(in, out, i);
    const double sum = triangle.sum();
    all[i].first = triangle.begin;
    for (std::int64_t k = triangle.begin; k < triangle.end; ++k)
      all[i].weights.push_back(static_cast<T>(triangle.weight(k) / sum));
  }
  return all;
}

}  // namespace duet
