#include "kernels/dropout/dropout.h"

namespace duet {

extern const DropoutRow dropout_cuda;
#if !DUET_CUDA_PLUGIN
extern const DropoutRow dropout_cpu, dropout_ref;
#endif

RowList<DropoutRow>& dropout_rows() {
  static RowList<DropoutRow> rows("dropout", {
    dropout_cuda,
#if !DUET_CUDA_PLUGIN
        dropout_cpu, dropout_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = dropout_rows();

std::string describe(const DropoutParams& p) { return fmt::format("({}) p {}", p.count, p.p); }

}  // namespace duet
