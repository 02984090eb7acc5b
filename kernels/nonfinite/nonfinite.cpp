#include "kernels/nonfinite/nonfinite.h"

namespace duet {

extern const NonfiniteRow nonfinite_cuda;
#if !DUET_CUDA_PLUGIN
extern const NonfiniteRow nonfinite_ref;
#endif

RowList<NonfiniteRow>& nonfinite_rows() {
  static RowList<NonfiniteRow> rows("nonfinite", {
    nonfinite_cuda,
#if !DUET_CUDA_PLUGIN
        nonfinite_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = nonfinite_rows();

std::string describe(const NonfiniteParams& p) { return fmt::format("({})", p.count); }

}  // namespace duet
