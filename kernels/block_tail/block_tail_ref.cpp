#include "kernels/block_tail/composed.h"

namespace duet {

extern const BatchNormRow batchnorm_ref;
extern const ReluRow relu_ref;
extern const MaxPool2dRow maxpool2d_ref;
extern const DropoutRow dropout_ref;

namespace {

constexpr BlockTailParts parts = {batchnorm_ref, relu_ref, maxpool2d_ref, dropout_ref};

}  // namespace

extern const BlockTailRow block_tail_ref =
    composed_row<parts>({"ref", RowKind::ref, DeviceType::cpu});

}  // namespace duet
