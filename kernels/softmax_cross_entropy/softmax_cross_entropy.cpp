#include "kernels/softmax_cross_entropy/softmax_cross_entropy.h"

namespace duet {

extern const SoftmaxCrossEntropyRow softmax_cross_entropy_cuda;
#if !DUET_CUDA_PLUGIN
extern const SoftmaxCrossEntropyRow softmax_cross_entropy_ref;
#endif

RowList<SoftmaxCrossEntropyRow>& softmax_cross_entropy_rows() {
  static RowList<SoftmaxCrossEntropyRow> rows("softmax_cross_entropy", {
    softmax_cross_entropy_cuda,
#if !DUET_CUDA_PLUGIN
        softmax_cross_entropy_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = softmax_cross_entropy_rows();

std::string describe(const SoftmaxCrossEntropyParams& p) {
  return fmt::format("({},{}) label smoothing {}", p.rows, p.classes, p.label_smoothing);
}

}  // namespace duet
