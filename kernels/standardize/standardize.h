#pragma once
/// Standardisation of what the network sees:
///
///   y[i, c] = (x[i, c] · scale + offset − mean[c]) / std[c]
///
/// Pictures have scale 1 and offset 0; a spectrogram in dB has scale 1 / top_db and offset 1, which
/// brings it to 0 … 1 first.

#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct StandardizeParams {
  std::int64_t count;     ///< elements of each channel, over the whole batch
  std::int64_t channels;  ///< the last dimension
  double scale = 1, offset = 0;
};
std::string describe(const StandardizeParams& p);
/// Throws Error unless there is one finite mean and one positive std for each channel.
void check(const StandardizeParams& p, std::span<const double> mean, std::span<const double> std);

struct StandardizeRow : RowInfo {
  using Params = StandardizeParams;
  Support (*supports)(const Params&, DType);
  /// x (…, C), mean (C) and std (C, positive) in host memory → y (…, C), which may be x.
  void (*forward)(Exec&, const Params&, ConstView x, std::span<const double> mean,
                  std::span<const double> std, View y);
};

RowList<StandardizeRow>& standardize_rows();

}  // namespace duet
