#pragma once
/// The triangle filter of bilinear resizing along one axis.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace duet {

/// What one output position is made of: inputs first … first + weights.size() - 1, with weights
/// that add up to 1.
template <class T>
struct Taps {
  std::int64_t first = 0;
  std::vector<T> weights;
};

/// The taps of every output position when `in` positions become `out`. Output i lies at
/// (i + 1/2) · in / out, on an axis where input k covers k … k + 1; the triangle around it reaches
/// one input to either side, or, when shrinking, in / out inputs, which averages away what the
/// smaller grid cannot hold. At the borders the part outside is cut off and the rest scaled up.
template <class T>
std::vector<Taps<T>> triangle_taps(std::int64_t in, std::int64_t out) {
  const double scale = static_cast<double>(in) / out, reach = std::max(scale, 1.0);
  std::vector<Taps<T>> all(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const auto begin = std::max<std::int64_t>(0, std::llround(std::floor(centre - reach + 0.5)));
    const auto end = std::min<std::int64_t>(in, std::llround(std::floor(centre + reach + 0.5)));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t k = begin; k < end; ++k) {
      weights.push_back(std::max(0.0, 1 - std::abs(k + 0.5 - centre) / reach));
      sum += weights.back();
    }
    all[i].first = begin;
    for (const double w : weights) all[i].weights.push_back(static_cast<T>(w / sum));
  }
  return all;
}

}  // namespace duet
