#include "kernels/linear/linear.h"

namespace duet {

#if DUET_HAVE_CUBLAS
extern const LinearRow linear_cublas;
#endif
extern const LinearRow linear_cuda_tensor_core, linear_cuda;
#if !DUET_CUDA_PLUGIN
extern const LinearRow linear_cpu;
#if DUET_HAVE_ONEDNN
extern const LinearRow linear_onednn;
#endif
extern const LinearRow linear_ref;
#endif

RowList<LinearRow>& linear_rows() {
  static RowList<LinearRow> rows("linear", {
#if DUET_HAVE_CUBLAS
    linear_cublas,
#endif
        linear_cuda_tensor_core, linear_cuda,
#if !DUET_CUDA_PLUGIN
        linear_cpu,
#if DUET_HAVE_ONEDNN
        linear_onednn,
#endif
        linear_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = linear_rows();

std::string describe(const LinearParams& p) {
  return fmt::format("({},{}) * ({},{})T{}{}", p.n, p.in_features, p.out_features, p.in_features,
                     p.relu ? " relu" : "", p.tf32 ? " tf32" : "");
}

}  // namespace duet
