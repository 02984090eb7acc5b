#include "kernels/conv2d/conv2d.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/device.h"
#include "kernels/relu/relu.h"

// Batch norm's sums are not part of these graphs: of a convolution followed by cuDNN's operation
// for them (genStats), 9.19 has engines for an H100 where tensors are float16, and none for f32,
// TF32 or bf16. Neither is the ReLU: of the engines that 9.19 chooses for an H100 hardly any
// promises to keep NaN through it (CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP), whatever the graph asks.

namespace duet {

extern const ReluRow relu_cuda;

namespace {

using cudnn::Descriptor;
using cudnn::Plan;
using cudnn::Tensor;

enum Direction : std::int64_t { forward, forward_biased, backward_data, backward_weights };
enum Id : std::int64_t { id_x, id_weight, id_y, id_bias, id_product };

/// Not destroyed: at the end of a process cuDNN may be gone before them.
cudnn::PlanCache& plans() {
  static auto& cache = *new cudnn::PlanCache;
  return cache;
}

Descriptor convolution(const Conv2dParams& c) {
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {c.stride_h, c.stride_w});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {c.pad_h, c.pad_w});
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {c.pad_h, c.pad_w});
  d.finalize();
  return d;
}

/// x + b → y in f32.
Descriptor addition(const Tensor& x, const Tensor& b, const Tensor& y) {
  const cudnnPointwiseMode_t mode = CUDNN_POINTWISE_ADD;
  Descriptor operation(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  operation.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  operation.finalize();
  Descriptor d(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  d.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, operation);
  d.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, describe(x));
  d.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, describe(b));
  d.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, describe(y));
  d.finalize();
  return d;
}

/// What a direction calls its operands and factors.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, weight, y, convolution, alpha, beta;
};
constexpr Names forward_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Names data_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Names weights_names = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

Plan make_plan(Direction direction, const Conv2dParams& c, DType dtype) {
  const cudnnDataType_t type = dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const Tensor x{id_x, type, {c.n, c.in_channels, c.h, c.w}};
  const Tensor weight{id_weight, type, {c.out_channels, c.in_channels, c.kernel_h, c.kernel_w}};
  const Tensor y{id_y, type, {c.n, c.out_channels, c.out_h(), c.out_w()}};
  const auto operation = [&](const Names& names, const Tensor& result) {
    const float one = 1, zero = 0;
    Descriptor d(names.operation);
    d.set(names.x, describe(x));
    d.set(names.weight, describe(weight));
    d.set(names.y, describe(result));
    d.set(names.convolution, convolution(c));
    d.set(names.alpha, CUDNN_TYPE_FLOAT, 1, &one);
    d.set(names.beta, CUDNN_TYPE_FLOAT, 1, &zero);
    d.finalize();
    return d;
  };

  std::vector<Descriptor> operations;
  switch (direction) {
    case forward: operations.push_back(operation(forward_names, y)); break;
    case backward_data: operations.push_back(operation(data_names, y)); break;
    case backward_weights: operations.push_back(operation(weights_names, y)); break;
    case forward_biased: {
      // What lies between the operations is f32, whatever the tensors are.
      const Tensor product{id_product, CUDNN_DATA_FLOAT, y.extents, true};
      const Tensor bias{id_bias, type, {1, c.out_channels, 1, 1}};
      operations.push_back(operation(forward_names, product));
      operations.push_back(addition(product, bias, y));
    }
  }
  return Plan(operations, c.tf32 || dtype == DType::bf16);
}

std::shared_ptr<const Plan> plan(Direction direction, const Conv2dParams& c, DType dtype) {
  return plans().get(
      {direction, c.n, c.h, c.w, c.in_channels, c.out_channels, c.kernel_h, c.kernel_w, c.stride_h,
       c.stride_w, c.pad_h, c.pad_w, c.tf32, static_cast<std::int64_t>(dtype)},
      [&] { return make_plan(direction, c, dtype); });
}

}  // namespace

extern const Conv2dRow conv2d_cudnn = {
    {"cudnn", RowKind::library, DeviceType::cuda},
    [](const Conv2dParams& c, DType dtype) {
      if (dtype != DType::f32 && dtype != DType::bf16)
        return Support::no(fmt::format("takes f32 and bf16, not {}", to_string(dtype)));
      return cudnn::PlanCache::support([&] {
        for (const Direction d : {forward, forward_biased, backward_data, backward_weights})
          plan(d, c, dtype);
      });
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView weight, ConstView bias, View y) {
      if (bias)
        plan(forward_biased, c, x.dtype)
            ->run(exec,
                  {{id_x, x.data}, {id_weight, weight.data}, {id_bias, bias.data}, {id_y, y.data}});
      else
        plan(forward, c, x.dtype)
            ->run(exec, {{id_x, x.data}, {id_weight, weight.data}, {id_y, y.data}});
      if (c.relu) relu_cuda.forward(exec, {y.numel()}, y, y);
    },
    [](Exec& exec, const Conv2dParams& c, ConstView grad_y, ConstView weight, View grad_x) {
      plan(backward_data, c, grad_y.dtype)
          ->run(exec, {{id_y, grad_y.data}, {id_weight, weight.data}, {id_x, grad_x.data}});
    },
    [](Exec& exec, const Conv2dParams& c, ConstView x, ConstView grad_y, View grad_weight) {
      plan(backward_weights, c, x.dtype)
          ->run(exec, {{id_x, x.data}, {id_y, grad_y.data}, {id_weight, grad_weight.data}});
    },
};

}  // namespace duet
