#pragma once
/// A colour map for spectrograms: black over violet, red and orange to pale yellow. Lightness grows
/// evenly with the value, so that equal steps look equal, and the picture survives in grey.

#include <array>
#include <cstdint>

#include "engine/tensor.h"

namespace duet {

/// The sRGB colour (0 … 1 each) of a value in 0 … 1; values outside take the nearest end's.
std::array<float, 3> map_color(float value);

/// The same in 8 bits, for pictures.
std::array<std::uint8_t, 3> map_color_8bit(float value);

/// values (…) in 0 … 1, on any device → rgb (…, 3).
Tensor map_colors(const Tensor& values);

}  // namespace duet
