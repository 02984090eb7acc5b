// Convolution as a matrix product on implicit operands (conv2d_cuda_operands.h), on tensor cores:
// in bf16, and in f32 where the call permits TF32.

#include "kernels/conv2d/conv2d_cuda_operands.h"
#include "kernels/gemm/tensor_gemm.h"

namespace duet {

extern const Conv2dRow conv2d_cuda_tensor_core = {
    {SIMT_ROW("tensor_core"), RowKind::handwritten, simt::device_type},
    [](const Conv2dParams& c, DType dtype) {
      const Support takes = tensor_gemm::takes(dtype, c.tf32);
      return takes ? fits_in_32_bits(c) : takes;
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      tensor_gemm::dispatch(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::forward(c, x.as<T>(), weight.as<T>(), y.as<T>(),
                               tensor_gemm::multiplier<T>(exec, {bias.as<T>(), c.relu}));
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      tensor_gemm::dispatch(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::backward_data(c, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>(),
                                     tensor_gemm::multiplier<T>(exec));
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      tensor_gemm::dispatch(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::backward_weights(c, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>(),
                                        tensor_gemm::multiplier<T>(exec));
      });
    },
};

}  // namespace duet
