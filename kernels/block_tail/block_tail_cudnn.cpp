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

extern const BlockTailRow block_tail_cudnn =
    composed_row<parts>({"cudnn", RowKind::library, DeviceType::cuda});

}  // namespace duet
