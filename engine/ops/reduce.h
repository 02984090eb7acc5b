#pragma once
/// Sums, means and maxima.

#include "engine/tensor.h"

namespace duet {

/// Over one dimension (negative: from the back), which disappears. The sum of nothing is 0; mean
/// and max need an element.
Tensor sum(const Tensor& x, int dimension);
Tensor mean(const Tensor& x, int dimension);
Tensor max(const Tensor& x, int dimension);

/// Over all elements: shape ().
Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);

/// Over all dimensions but the last `kept`: the gradient of a bias.
Tensor sum_leading(const Tensor& x, int kept);

/// Over the dimensions along which a tensor of shape `target` was repeated to x's shape: the
/// adjoint of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& target);

}  // namespace duet
