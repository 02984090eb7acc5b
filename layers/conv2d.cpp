#include "layers/conv2d.h"

#include "kernels/base/parallel.h"

namespace duet {

void Conv2d::fold(const ChannelAffine& affine) {
  require(!bias_ && !options_.relu, "[conv2d] only a bare convolution takes in what follows it");
  const NoGradScope no_grad;
  const Tensor weight = weight_.to(Device{});
  const std::int64_t channels = weight.dim(0), fan_in = weight.numel() / channels;
  dispatch_floating(weight.dtype(), [&](auto zero) {
    using T = decltype(zero);
    parallel_chunks(channels, [&, w = weight.data<T>()](std::int64_t o) {
      for (T& element : std::span(w + o * fan_in, fan_in))
        element = static_cast<T>(affine.scale[o] * element);
    });
  });
  if (weight_.device() != Device{}) weight_.copy_from(weight);
  bias_ = add_parameter(
      "bias", Tensor::from(affine.shift, {channels}).to(weight_.dtype()).to(weight_.device()));
  options_.relu = true;
}

}  // namespace duet
