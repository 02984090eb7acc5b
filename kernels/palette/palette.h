#pragma once
/// Numbers as colours: a table of equidistant colours for 0 … 1, linear in between.
///
///   y[i, c] = table[k, c] + f · (table[k + 1, c] − table[k, c]),   k + f = clamp(x[i]) · (K − 1)
///
/// Values outside 0 … 1 take the nearest end's colour, NaN the first.

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/host_device.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct PaletteParams {
  std::int64_t count;   ///< of values
  std::int64_t colors;  ///< K, at least 2
};
std::string describe(const PaletteParams& p);
/// Throws Error unless the table has three numbers for each of at least two colours.
void check(const PaletteParams& p, std::span<const float> table);

/// The colour of one value, by a table (K, 3), to rgb (3).
template <class T>
DUET_HOST_DEVICE void look_up_color(const float* table, std::int64_t colors, T value, T* rgb) {
  // The comparison sends NaN to the first.
  const T clamped = value > 0 ? (value < 1 ? value : T(1)) : T(0);
  const T at = clamped * static_cast<T>(colors - 1);
  const auto floor = static_cast<std::int64_t>(at);
  const std::int64_t left = floor < colors - 2 ? floor : colors - 2;
  const T f = at - static_cast<T>(left);
  for (int c = 0; c < 3; ++c) {
    const T p = table[3 * left + c], q = table[3 * left + 3 + c];
    rgb[c] = p + f * (q - p);
  }
}

struct PaletteRow : RowInfo {
  using Params = PaletteParams;
  Support (*supports)(const Params&, DType);
  /// x (N), table (K, 3) in host memory → y (N, 3).
  void (*forward)(Exec&, const Params&, ConstView x, std::span<const float> table, View y);
};

RowList<PaletteRow>& palette_rows();

}  // namespace duet
