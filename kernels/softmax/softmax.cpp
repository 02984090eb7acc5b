#include "kernels/softmax/softmax.h"

namespace duet {

extern const SoftmaxRow softmax_cuda;
#if DUET_HAVE_CUDNN
extern const SoftmaxRow softmax_cudnn;
#endif
#if !DUET_CUDA_PLUGIN
extern const SoftmaxRow softmax_ref;
#endif

RowList<SoftmaxRow>& softmax_rows() {
  static RowList<SoftmaxRow> rows("softmax", {
    softmax_cuda,
#if DUET_HAVE_CUDNN
        softmax_cudnn,
#endif
#if !DUET_CUDA_PLUGIN
        softmax_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = softmax_rows();

std::string describe(const SoftmaxParams& p) { return fmt::format("({},{})", p.rows, p.classes); }

}  // namespace duet
