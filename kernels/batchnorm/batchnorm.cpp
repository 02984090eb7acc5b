#include "kernels/batchnorm/batchnorm.h"

namespace duet {

extern const BatchNormRow batchnorm_cuda;
#if DUET_HAVE_CUDNN
extern const BatchNormRow batchnorm_cudnn;
#endif
#if !DUET_CUDA_PLUGIN
extern const BatchNormRow batchnorm_cpu, batchnorm_ref;
#endif

RowList<BatchNormRow>& batchnorm_rows() {
  static RowList<BatchNormRow> rows("batchnorm", {
    batchnorm_cuda,
#if DUET_HAVE_CUDNN
        batchnorm_cudnn,
#endif
#if !DUET_CUDA_PLUGIN
        batchnorm_cpu, batchnorm_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = batchnorm_rows();

std::string describe(const BatchNormParams& p) {
  return fmt::format("({},{}) {}", p.rows, p.channels, p.training ? "training" : "inference");
}

}  // namespace duet
