#include "kernels/block_tail/composed.h"

namespace duet {

extern const BatchNormRow batchnorm_ref;
extern const ReluRow relu_ref;
extern const MaxPool2dRow maxpool2d_ref;
extern const DropoutRow dropout_ref;

namespace {

constexpr BlockTailParts parts = {batchnorm_ref, relu_ref, maxpool2d_ref, dropout_ref};

}  // namespace

extern const BlockTailRow block_tail_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const BlockTailParams& p, DType dtype) { return parts.supports(p, dtype); },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView weight, ConstView bias,
       View mean, View var, View running_mean, View running_var, View y) {
      parts.forward(exec, p, x, weight, bias, mean, var, running_mean, running_var, y);
    },
    [](Exec& exec, const BlockTailParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView bias, ConstView mean, ConstView var, View grad_x, View grad_weight,
       View grad_bias) {
      parts.backward(exec, p, x, grad_y, weight, bias, mean, var, grad_x, grad_weight, grad_bias);
    },
};

}  // namespace duet
