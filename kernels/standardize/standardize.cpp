#include "kernels/standardize/standardize.h"

#include <cmath>

namespace duet {

extern const StandardizeRow standardize_cuda;
#if !DUET_CUDA_PLUGIN
extern const StandardizeRow standardize_cpu, standardize_ref;
#endif

RowList<StandardizeRow>& standardize_rows() {
  static RowList<StandardizeRow> rows("standardize", {
    standardize_cuda,
#if !DUET_CUDA_PLUGIN
        standardize_cpu, standardize_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = standardize_rows();

std::string describe(const StandardizeParams& p) {
  return fmt::format("({},{}) scale {} offset {}", p.count, p.channels, p.scale, p.offset);
}

void check(const StandardizeParams& p, std::span<const double> mean, std::span<const double> std) {
  const auto channels = static_cast<std::size_t>(p.channels);
  require(mean.size() == channels && std.size() == channels,
          "[standardize] {} means and {} deviations for {} channels", mean.size(), std.size(),
          channels);
  for (std::size_t c = 0; c < channels; ++c)
    require(
        std::isfinite(mean[c]) && std::isfinite(std[c]) && std[c] > 0,
        "[standardize] channel {} has mean {} and deviation {}; is it the same everywhere in the "
        "training set?",
        c, mean[c], std[c]);
}

}  // namespace duet
