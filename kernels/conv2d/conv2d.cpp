#include "kernels/conv2d/conv2d.h"

namespace duet {

#if DUET_HAVE_CUDNN
extern const Conv2dRow conv2d_cudnn;
#endif
extern const Conv2dRow conv2d_cuda_tensor_core, conv2d_cuda_winograd, conv2d_cuda_implicit_gemm,
    conv2d_cuda_naive;
#if !DUET_CUDA_PLUGIN
extern const Conv2dRow conv2d_cpu_winograd, conv2d_cpu_few_channels;
#if DUET_HAVE_ONEDNN
extern const Conv2dRow conv2d_onednn;
#endif
extern const Conv2dRow conv2d_cpu, conv2d_ref;
#endif

RowList<Conv2dRow>& conv2d_rows() {
  static RowList<Conv2dRow> rows("conv2d", {
#if DUET_HAVE_CUDNN
    conv2d_cudnn,
#endif
        conv2d_cuda_tensor_core, conv2d_cuda_winograd, conv2d_cuda_implicit_gemm, conv2d_cuda_naive,
#if !DUET_CUDA_PLUGIN
        conv2d_cpu_winograd, conv2d_cpu_few_channels,
#if DUET_HAVE_ONEDNN
        conv2d_onednn,
#endif
        conv2d_cpu, conv2d_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = conv2d_rows();

std::string describe(const Conv2dParams& p) {
  return fmt::format("({},{},{},{}) * ({},{},{},{}) stride {},{} pad {},{}{}{}", p.n, p.h, p.w,
                     p.in_channels, p.out_channels, p.kernel_h, p.kernel_w, p.in_channels,
                     p.stride_h, p.stride_w, p.pad_h, p.pad_w, p.relu ? " relu" : "",
                     p.tf32 ? " tf32" : "");
}

}  // namespace duet
