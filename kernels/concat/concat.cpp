#include "kernels/concat/concat.h"

namespace duet {

extern const ConcatRow concat_cuda;
#if !DUET_CUDA_PLUGIN
extern const ConcatRow concat_cpu, concat_ref;
#endif

RowList<ConcatRow>& concat_rows() {
  static RowList<ConcatRow> rows("concat", {
    concat_cuda,
#if !DUET_CUDA_PLUGIN
        concat_cpu, concat_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = concat_rows();

std::string describe(const ConcatParams& p) {
  return fmt::format("({}, {})", p.outer, fmt::join(p.widths, "+"));
}

}  // namespace duet
