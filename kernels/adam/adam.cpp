#include "kernels/adam/adam.h"

namespace duet {

extern const AdamRow adam_cuda;
#if !DUET_CUDA_PLUGIN
extern const AdamRow adam_cpu, adam_ref;
#endif

RowList<AdamRow>& adam_rows() {
  static RowList<AdamRow> rows("adam", {
    adam_cuda,
#if !DUET_CUDA_PLUGIN
        adam_cpu, adam_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = adam_rows();

std::string describe(const AdamParams& p) {
  return fmt::format("lr {} betas {},{} eps {}", p.lr, p.beta1, p.beta2, p.eps);
}

}  // namespace duet
