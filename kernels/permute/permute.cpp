#include "kernels/permute/permute.h"

namespace duet {

extern const PermuteRow permute_cuda;
#if !DUET_CUDA_PLUGIN
extern const PermuteRow permute_cpu, permute_ref;
#endif

RowList<PermuteRow>& permute_rows() {
  static RowList<PermuteRow> rows("permute", {
    permute_cuda,
#if !DUET_CUDA_PLUGIN
        permute_cpu, permute_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = permute_rows();

Shape PermuteParams::y_shape() const {
  Shape y = x_shape;
  for (int i = 0; i < x_shape.rank(); ++i) y = y.with(i, x_shape[axes[i]]);
  return y;
}

PermuteParams PermuteParams::inverse() const {
  PermuteParams p{y_shape(), std::vector<int>(axes.size())};
  for (std::size_t i = 0; i < axes.size(); ++i) p.axes[axes[i]] = static_cast<int>(i);
  return p;
}

std::string describe(const PermuteParams& p) {
  return fmt::format("{} -> {}", to_string(p.x_shape), to_string(p.y_shape()));
}

}  // namespace duet
