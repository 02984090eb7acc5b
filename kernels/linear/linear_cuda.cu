// The three products of a linear layer. Large batches go through tiles of 64 or 128 rows
// (kernels/gemm/block_gemm.h). Small ones leave the weights, which are read once whatever the
// batch, as the cost: up to 32 rows have a tile of that height, whose blocks share out the weights
// (and the depth); up to 8, at inference, have a kernel of their own (linear_cuda_stream.h).

#include "kernels/gemm/block_gemm.h"
#include "kernels/linear/linear_cuda_operands.h"

namespace duet {
namespace {

using block_gemm::Epilogue;

/// The tile for at most 32 rows.
template <class T>
using LowTiling = block_gemm::Tiling<T, 32, 128, 16, 1, 4>;

template <class T>
auto multiply(Exec& exec, Epilogue<T> epilogue = {}) {
  return [&exec, epilogue](const auto& a, const auto& b, T* c, int rows, int columns, int depth) {
    if (rows <= LowTiling<T>::rows)
      block_gemm::multiply_tiled<LowTiling<T>>(exec, a, b, epilogue, c, rows, columns, depth);
    else
      block_gemm::multiply<T>(exec, a, b, epilogue, c, rows, columns, depth);
  };
}

}  // namespace

extern const LinearRow linear_cuda = {
    {SIMT_ROW("tiled"), RowKind::handwritten, simt::device_type},
    [](const LinearParams& p, DType dtype) {
      const Support floating = any_floating(dtype);
      return floating ? fits_in_32_bits(p) : floating;
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        const Epilogue<T> epilogue{bias.as<T>(), p.relu};
        linear_products::forward(exec, p, x.as<T>(), weight.as<T>(), epilogue, y.as<T>(),
                                 multiply<T>(exec, epilogue));
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      dispatch_floating(grad_y.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_data(p, grad_y.as<T>(), weight.as<T>(), grad_x.as<T>(),
                                       multiply<T>(exec));
      });
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        linear_products::backward_weights(p, x.as<T>(), grad_y.as<T>(), grad_weight.as<T>(),
                                          multiply<T>(exec));
      });
    },
};

}  // namespace duet
