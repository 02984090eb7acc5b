#include "layers/vgg_stream.h"

#include "engine/ops/cast.h"

namespace duet {

VggBlock::VggBlock(Build& build, std::int64_t in_channels, std::int64_t out_channels,
                   const VggOptions& options)
    : foldable_(build.activation_dtype() == build.dtype),
      conv1_(build, in_channels, out_channels, 3, 1, !options.batch_norm, !options.batch_norm),
      conv2_(build, out_channels, out_channels, 3, 1, !options.batch_norm, !options.batch_norm),
      dropout_(build, options.dropout) {
  add_part("conv1", conv1_);
  if (options.batch_norm) {
    norm1_.emplace(build, out_channels, options.batch_norm_momentum, options.batch_norm_eps);
    norm2_.emplace(build, out_channels, options.batch_norm_momentum, options.batch_norm_eps);
    add_part("norm1", *norm1_);
  }
  add_part("conv2", conv2_);
  if (norm2_) add_part("norm2", *norm2_);
  add_part("dropout", dropout_);
}

Tensor VggBlock::forward(const Tensor& x) {
  const NameScope scope(name());
  if (!norm1_) return dropout_.forward(conv2_.forward(conv1_.forward(x), true));
  const Tensor y = norm1_->forward(conv1_.forward(x), {.pool = 1});
  BlockTailOptions tail{.pool = 2};
  dropout_.add_to(tail);
  return norm2_->forward(conv2_.forward(y), tail);
}

void VggBlock::on_freeze() {
  if (!norm1_ || !foldable_) return;
  conv1_.fold(norm1_->affine());
  conv2_.fold(norm2_->affine());
  for (std::optional<BatchNorm>* norm : {&norm1_, &norm2_}) {
    remove_part(**norm);
    norm->reset();
  }
}

VggStream::VggStream(Build& build, std::int64_t in_channels, const VggOptions& options)
    : inside_(build.activation_dtype()) {
  for (std::size_t i = 0; i < options.widths.size(); ++i) {
    blocks_.emplace_back(build, i == 0 ? in_channels : options.widths[i - 1], options.widths[i],
                         options);
    add_part(fmt::format("block{}", i + 1), blocks_.back());
  }
}

Tensor VggStream::forward(const Tensor& x) {
  const NameScope scope(name());
  Tensor y = cast(x, inside_);
  for (VggBlock& block : blocks_) y = block.forward(y);
  return cast(y, x.dtype());
}

}  // namespace duet
