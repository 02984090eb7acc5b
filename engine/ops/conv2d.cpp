#include "engine/ops/conv2d.h"

#include "engine/ops/maxpool2d.h"
#include "engine/ops/weighted.h"
#include "kernels/conv2d/conv2d.h"

namespace duet {
namespace {

struct Conv2dOp {
  static constexpr const char* name = "conv2d";
  using Row = Conv2dRow;
  static const RowList<Row>& rows() { return conv2d_rows(); }
  static constexpr bool weight_gradient_is_product = false;
  static Shape y_shape(const Conv2dParams& p) { return p.y_shape(); }
};

struct Conv2dInferenceFunction {
  static constexpr const char* name = "conv2d";

  static Tensor forward(Context&, const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const Conv2dParams& params, bool pool, PackedWeights* packed) {
    const Conv2dRow& row = select_row(conv2d_rows(), params, x);
    if (!row.inference) {
      const Tensor y = Tensor::empty(params.y_shape(), x.dtype(), x.device());
      {
        OpExec exec(row, x.device());
        row.forward(exec, params, x, weight, bias.view(), y);
      }
      return pool ? maxpool2d(y) : y;
    }
    OpExec exec(row, x.device());
    if (packed->row != &row) {
      packed->data =
          Tensor::empty({row.inference->packed_size(params, x.dtype())}, x.dtype(), x.device());
      row.inference->pack(exec, params, weight, packed->data);
      packed->row = &row;
    }
    const std::int64_t window = pool ? 2 : 1;
    Tensor y = Tensor::empty(
        {params.n, params.out_h() / window, params.out_w() / window, params.out_channels},
        x.dtype(), x.device());
    row.inference->forward(exec, params, x, packed->data, bias.view(), pool, y);
    return y;
  }

  static Gradients backward(Context&, const Tensor&) {
    fail("[conv2d] a frozen network has no gradients");
  }
};

Conv2dParams checked_params(const Tensor& x, const Tensor& weight, const Tensor& bias,
                            const Conv2dOptions& options) {
  require(x.shape().rank() == 4, "[conv2d] x is (N, H, W, C), this has shape {}",
          to_string(x.shape()));
  require(weight.shape().rank() == 4, "[conv2d] weight is (O, kH, kW, I), this has shape {}",
          to_string(weight.shape()));
  require(weight.dim(3) == x.dim(3), "[conv2d] weight has {} input channels, x has {}",
          weight.dim(3), x.dim(3));
  require(!bias || bias.shape() == Shape{weight.dim(0)},
          "[conv2d] bias has shape {}, weight has {} outputs",
          to_string(bias ? bias.shape() : Shape{}), weight.dim(0));
  require(options.stride_h > 0 && options.stride_w > 0 && options.pad_h >= 0 && options.pad_w >= 0,
          "[conv2d] stride {}×{} must be positive, pad {}×{} not negative", options.stride_h,
          options.stride_w, options.pad_h, options.pad_w);
  require_same_kind("conv2d", "weight", x, weight);
  const Conv2dParams params{x.dim(0),         x.dim(1),      x.dim(2),      x.dim(3),
                            weight.dim(0),    weight.dim(1), weight.dim(2), options.stride_h,
                            options.stride_w, options.pad_h, options.pad_w, options.relu,
                            options.tf32};
  require(params.h + 2 * params.pad_h >= params.kernel_h &&
              params.w + 2 * params.pad_w >= params.kernel_w,
          "[conv2d] kernel {}×{} is larger than the padded image {}×{}", params.kernel_h,
          params.kernel_w, params.h + 2 * params.pad_h, params.w + 2 * params.pad_w);
  return params;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, Conv2dOptions options) {
  return apply<WeightedFunction<Conv2dOp>>(x, weight, bias,
                                           checked_params(x, weight, bias, options));
}

Tensor conv2d_inference(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        Conv2dOptions options, bool pool, PackedWeights& packed) {
  const Conv2dParams params = checked_params(x, weight, bias, options);
  return apply<Conv2dInferenceFunction>(x, weight, bias, params, pool, &packed);
}

}  // namespace duet
