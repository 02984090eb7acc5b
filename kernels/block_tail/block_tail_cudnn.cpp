#include "kernels/block_tail/composed.h"

// Batch norm and pooling by cuDNN, whose own fusion of batch norm with ReLU takes 16-bit images
// alone; ReLU and dropout by our kernels.

namespace duet {

extern const BatchNormRow batchnorm_cudnn;
extern const ReluRow relu_cuda;
extern const MaxPool2dRow maxpool2d_cudnn;
extern const DropoutRow dropout_cuda;

namespace {

constexpr BlockTailParts parts = {batchnorm_cudnn, relu_cuda, maxpool2d_cudnn, dropout_cuda};

}  // namespace

extern const BlockTailRow block_tail_cudnn = {
    {"cudnn", RowKind::library, DeviceType::cuda},
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
