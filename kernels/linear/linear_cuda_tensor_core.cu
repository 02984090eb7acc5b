// The three products of a linear layer on tensor cores: in bf16, and in f32 where the call permits
// TF32. An answer's few rows would leave them idle and have linear_cuda_stream.h instead.

#include "kernels/gemm/tensor_gemm.h"
#include "kernels/linear/linear_cuda_operands.h"

namespace duet {

extern const LinearRow linear_cuda_tensor_core = {
    {SIMT_ROW("tensor_core"), RowKind::handwritten, simt::device_type},
    [](const LinearParams& p, DType dtype) {
      const Support takes = tensor_gemm::takes(dtype, p.tf32);
      return takes ? fits_in_32_bits(p) : takes;
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      tensor_gemm::dispatch(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const tensor_gemm::Epilogue<T> epilogue{bias.as<T>(), p.relu};
        linear_products::forward(exec, p, x.as<T>(), weight.as<T>(), epilogue, y.as<T>(),
                                 tensor_gemm::multiplier<T>(exec, epilogue));
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      tensor_gemm::dispatch(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_data(p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>(),
                                       tensor_gemm::multiplier<T>(exec));
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      tensor_gemm::dispatch(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_weights(p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>(),
                                          tensor_gemm::multiplier<T>(exec));
      });
    },
};

}  // namespace duet
