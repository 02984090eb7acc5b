#include "kernels/maxpool2d/maxpool2d.h"

namespace duet {

extern const MaxPool2dRow maxpool2d_cuda;
#if DUET_HAVE_CUDNN
extern const MaxPool2dRow maxpool2d_cudnn;
#endif
#if !DUET_CUDA_PLUGIN
extern const MaxPool2dRow maxpool2d_cpu, maxpool2d_ref;
#endif

RowList<MaxPool2dRow>& maxpool2d_rows() {
  static RowList<MaxPool2dRow> rows("maxpool2d", {
    maxpool2d_cuda,
#if DUET_HAVE_CUDNN
        maxpool2d_cudnn,
#endif
#if !DUET_CUDA_PLUGIN
        maxpool2d_cpu, maxpool2d_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = maxpool2d_rows();

std::string describe(const MaxPool2dParams& p) {
  return fmt::format("({},{},{},{}) kernel {} stride {}", p.n, p.h, p.w, p.channels, p.kernel,
                     p.stride);
}

}  // namespace duet
