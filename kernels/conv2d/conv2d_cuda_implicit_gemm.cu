// Convolution as a matrix product on implicit operands (conv2d_cuda_operands.h), in f32 and f64.

#include "kernels/conv2d/conv2d_cuda_operands.h"
#include "kernels/gemm/block_gemm.h"

namespace duet {
namespace {

template <class T>
auto multiply(Exec& exec, block_gemm::Epilogue<T> epilogue = {}) {
  return [&exec, epilogue](const auto& a, const auto& b, T* c, int rows, int columns, int depth) {
    block_gemm::multiply<T>(exec, a, b, epilogue, c, rows, columns, depth);
  };
}

}  // namespace

extern const Conv2dRow conv2d_cuda_implicit_gemm = {
    {SIMT_ROW("implicit_gemm"), RowKind::handwritten, simt::device_type},
    [](const Conv2dParams& c, DType dtype) {
      const Support floating = any_floating(dtype);
      return floating ? fits_in_32_bits(c) : floating;
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::forward(c, x.as<T>(), weight.as<T>(), y.as<T>(),
                               multiply<T>(exec, {bias.as<T>(), c.relu}));
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::backward_data(c, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>(),
                                     multiply<T>(exec));
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        implicit_gemm::backward_weights(c, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>(),
                                        multiply<T>(exec));
      });
    },
};

}  // namespace duet
