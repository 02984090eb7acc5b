#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_cuda;
#if !DUET_CUDA_PLUGIN
extern const ReluRow relu_cpu, relu_ref;
#endif

RowList<ReluRow>& relu_rows() {
  static RowList<ReluRow> rows("relu", {
    relu_cuda,
#if !DUET_CUDA_PLUGIN
        relu_cpu, relu_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = relu_rows();

std::string describe(const ReluParams& p) { return fmt::format("({})", p.count); }

}  // namespace duet
