#include "kernels/batchnorm/batchnorm.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/device.h"

// By cuDNN's older functions: the graph interface plans batch normalisation for 16-bit images.

namespace duet {
namespace {

/// The rows of an image batch are the pixels of one image.
cudnn::ImageDescriptor pixels(const BatchNormParams& p, DType dtype) {
  return {dtype, {1, p.channels, p.rows, 1}};
}
cudnn::ImageDescriptor channels(const BatchNormParams& p, DType dtype) {
  return {dtype, {1, p.channels, 1, 1}};
}

void forward(Exec& exec, const BatchNormParams& p, ConstView x, ConstView weight, ConstView bias,
             View mean, View var, View running_mean, View running_var, View y) {
  const cudnnHandle_t handle = cudnn::handle(exec.stream);
  const cudnn::ImageDescriptor images = pixels(p, x.dtype), each = channels(p, x.dtype);
  const cudnn::Factor one(x.dtype, 1), zero(x.dtype, 0);
  // cuDNN tells the variance only by moving running statistics. Statistics of zero that move all
  // the way are the batch's own, with the unbiased variance.
  const std::size_t bytes = static_cast<std::size_t>(p.channels) * size_of(x.dtype);
  for (const View& own : {mean, var})
    cuda::check(cudaMemsetAsync(own.data, 0, bytes, cuda::stream_of(exec.stream)), "clearing");
  cudnn::check(
      cudnnBatchNormalizationForwardTraining(
          handle, CUDNN_BATCHNORM_SPATIAL, one.address(), zero.address(), images, x.data, images,
          y.data, each, weight.data, bias.data, 1.0, mean.data, var.data, p.eps, nullptr, nullptr),
      "batch normalisation");
  if (running_mean) {
    const cudnn::Factor momentum(x.dtype, p.momentum), rest(x.dtype, 1 - p.momentum);
    for (const auto& [batch, running] : {std::pair(mean, running_mean), {var, running_var}})
      cudnn::check(cudnnAddTensor(handle, momentum.address(), each, batch.data, rest.address(),
                                  each, running.data),
                   "running statistics");
  }
  const double rows = static_cast<double>(p.rows);
  const cudnn::Factor biased(x.dtype, (rows - 1) / rows);
  cudnn::check(cudnnScaleTensor(handle, each, var.data, biased.address()), "the biased variance");
}

/// cuDNN computes mean and variance again: of the variance it would take the root's inverse alone.
void backward(Exec& exec, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
              View grad_x, View grad_weight, View grad_bias) {
  const cudnn::ImageDescriptor images = pixels(p, x.dtype), each = channels(p, x.dtype);
  const cudnn::Factor one(x.dtype, 1), zero(x.dtype, 0);
  cudnn::check(
      cudnnBatchNormalizationBackward(
          cudnn::handle(exec.stream), CUDNN_BATCHNORM_SPATIAL, one.address(), zero.address(),
          one.address(), zero.address(), images, x.data, images, grad_y.data, images, grad_x.data,
          each, weight.data, grad_weight.data, grad_bias.data, p.eps, nullptr, nullptr),
      "batch normalisation's gradient");
}

}  // namespace

extern const BatchNormRow batchnorm_cudnn = {
    {"cudnn", RowKind::library, DeviceType::cuda},
    [](const BatchNormParams& p, DType dtype) {
      if (!p.training) return Support::no("has a derivative for training only");
      if (p.rows < 2 || p.rows > cudnn::most_extent) return Support::no("takes 2 … 2^31 - 1 rows");
      return any_floating(dtype);
    },
    forward,
    [](Exec& exec, const BatchNormParams& p, ConstView x, ConstView grad_y, ConstView weight,
       ConstView, ConstView, View grad_x, View grad_weight,
       View grad_bias) { backward(exec, p, x, grad_y, weight, grad_x, grad_weight, grad_bias); },
};

}  // namespace duet
