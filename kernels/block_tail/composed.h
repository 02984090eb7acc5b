#pragma once
/// The block tail one op after the other, by rows of those ops: what it means, and how libraries do
/// it, which have its parts alone.

#include "kernels/block_tail/block_tail.h"

namespace duet {

struct BlockTailParts {
  const BatchNormRow& batchnorm;
  const ReluRow& relu;
  const MaxPool2dRow& maxpool2d;
  const DropoutRow& dropout;

  Support supports(const BlockTailParams& p, DType dtype) const {
    for (const Support& support :
         {batchnorm.supports(p.batchnorm(), dtype), relu.supports({p.x_shape().numel()}, dtype),
          p.pool > 1 ? maxpool2d.supports(p.maxpool2d(), dtype) : Support::yes(),
          p.dropout > 0 ? dropout.supports(mask(p), dtype) : Support::yes()})
      if (!support) return support;
    return Support::yes();
  }

  void forward(Exec& exec, const BlockTailParams& p, ConstView x, ConstView weight, ConstView bias,
               View mean, View var, View running_mean, View running_var, View y) const {
    const bool pools = p.pool > 1, drops = p.dropout > 0;
    const View normalised = scratch(exec, p.x_shape(), x.dtype);
    batchnorm.forward(exec, p.batchnorm(), x, weight, bias, mean, var, running_mean, running_var,
                      normalised);
    const View rectified = pools || drops ? scratch(exec, p.x_shape(), x.dtype) : y;
    relu.forward(exec, {x.numel()}, normalised, rectified);
    const View pooled = !pools ? rectified : drops ? scratch(exec, p.y_shape(), x.dtype) : y;
    if (pools)
      maxpool2d.forward(exec, p.maxpool2d(), rectified, pooled,
                        scratch(exec, p.y_shape(), DType::u8));
    if (drops) dropout.apply(exec, mask(p), pooled, y);
  }

  void backward(Exec& exec, const BlockTailParams& p, ConstView x, ConstView grad_y,
                ConstView weight, ConstView bias, ConstView mean, ConstView var, View grad_x,
                View grad_weight, View grad_bias) const {
    // As in forward; in training that writes the same statistics once more.
    const View normalised = scratch(exec, p.x_shape(), x.dtype);
    const View rectified = scratch(exec, p.x_shape(), x.dtype);
    const auto statistic = [&](const ConstView& given) {
      return p.training ? scratch(exec, given.shape, given.dtype)
                        : View{const_cast<void*>(given.data), given.shape, given.dtype};
    };
    batchnorm.forward(exec, p.batchnorm(), x, weight, bias, statistic(mean), statistic(var), {}, {},
                      normalised);
    relu.forward(exec, {x.numel()}, normalised, rectified);

    ConstView grad = grad_y;
    if (p.dropout > 0) {
      const View before = scratch(exec, p.y_shape(), x.dtype);
      dropout.apply(exec, mask(p), grad, before);
      grad = before;
    }
    if (p.pool > 1) {
      const View pooled = scratch(exec, p.y_shape(), x.dtype);
      const View tap = scratch(exec, p.y_shape(), DType::u8);
      const View before = scratch(exec, p.x_shape(), x.dtype);
      maxpool2d.forward(exec, p.maxpool2d(), rectified, pooled, tap);
      maxpool2d.backward(exec, p.maxpool2d(), tap, grad, before);
      grad = before;
    }
    relu.backward(exec, {x.numel()}, rectified, grad, normalised);
    batchnorm.backward(exec, p.batchnorm(), x, normalised, weight, mean, var, grad_x, grad_weight,
                       grad_bias);
  }

 private:
  static DropoutParams mask(const BlockTailParams& p) {
    return {p.y_shape().numel(), p.dropout, p.mask};
  }
  static View scratch(Exec& exec, const Shape& shape, DType dtype) {
    return {exec.workspace.allocate(shape.numel() * size_of(dtype)), shape, dtype};
  }
};

/// The row that is composed of `parts`.
template <const BlockTailParts& parts>
consteval BlockTailRow composed_row(const RowInfo& info) {
  return {
      info,
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
}

}  // namespace duet
