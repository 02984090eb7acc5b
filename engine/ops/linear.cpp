#include "engine/ops/linear.h"

#include "engine/ops/weighted.h"
#include "kernels/linear/linear.h"

namespace duet {
namespace {

struct LinearOp {
  static constexpr const char* name = "linear";
  using Row = LinearRow;
  static const RowList<Row>& rows() { return linear_rows(); }
  static constexpr bool weight_gradient_is_product = true;
  static Shape y_shape(const LinearParams& p) { return {p.n, p.out_features}; }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, LinearOptions options) {
  require(x.shape().rank() == 2 && weight.shape().rank() == 2,
          "[linear] x is (N, I) and weight (O, I), these have shapes {} and {}",
          to_string(x.shape()), to_string(weight.shape()));
  require(x.dim(1) == weight.dim(1), "[linear] weight takes {} features, x has {}", weight.dim(1),
          x.dim(1));
  require(!bias || bias.shape() == Shape{weight.dim(0)},
          "[linear] bias has shape {}, weight has {} outputs",
          to_string(bias ? bias.shape() : Shape{}), weight.dim(0));
  require_same_kind("linear", "weight", x, weight);
  return apply<WeightedFunction<LinearOp>>(
      x, weight, bias, LinearParams{x.dim(0), x.dim(1), weight.dim(0), options.relu, options.tf32});
}

}  // namespace duet
