#include "layers/two_stream.h"

#include "engine/ops/cast.h"
#include "engine/ops/permute.h"

namespace duet {

TwoStream::TwoStream(Build& build, const TwoStreamOptions& options)
    : options_(options), precision_(build.precision) {
  if (options.size < 16 || options.size % 16 != 0)
    fail<UsageError>("[network] the input size is a multiple of 16, not {}", options.size);
  const std::int64_t side = options.size / 16, width = options.stream.widths.back();
  std::int64_t channels = width;
  if (options.streams != Streams::voice) {
    face_.emplace(build, options.face_channels, options.stream);
    add_part("face", *face_);
  }
  if (options.streams != Streams::face) {
    voice_.emplace(build, options.voice_channels, options.stream);
    add_part("voice", *voice_);
  }
  if (options.streams == Streams::both) {
    fusion_ = make_fusion(options.fusion, build, {width, side, side});
    add_part("fusion", *fusion_);
    channels = fusion_->out_channels();
  }
  head_.emplace(build, channels * side * side, options);
  add_part("head", *head_);
}

Tensor TwoStream::forward(const Tensor& face, const Tensor& voice) {
  // The streams, whose images are what there is most of, hold them in bf16; a fusion, which may
  // have kernels of its own, is given the type of the input.
  const auto run = [this](VggStream& stream, const Tensor& x) {
    const DType dtype = precision_ == Precision::bf16 ? DType::bf16 : x.dtype();
    return cast(stream.forward(cast(x, dtype)), x.dtype());
  };
  Tensor features;
  if (!voice_) {
    features = run(*face_, face);
  } else if (!face_) {
    features = run(*voice_, voice);
  } else {
    const Tensor face_map = run(*face_, face), voice_map = run(*voice_, voice);
    const NameScope scope("fusion");
    features = fusion_->forward(face_map, voice_map);
  }
  return head_->forward(flatten_chw(features));
}

TwoStream::Head::Head(Build& build, std::int64_t in_features, const TwoStreamOptions& options)
    : dropout_(build, options.head_dropout) {
  std::vector<std::int64_t> widths = options.head;
  widths.push_back(options.classes);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    layers_.emplace_back(build, i == 0 ? in_features : widths[i - 1], widths[i],
                         i + 1 < widths.size());
    add_part(fmt::format("fc{}", i + 1), layers_.back());
  }
  add_part("dropout", dropout_);
}

Tensor TwoStream::Head::forward(const Tensor& x) {
  const NameScope scope(name());
  Tensor y = x;
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) y = dropout_.forward(layers_[i].forward(y));
  return layers_.back().forward(y);
}

}  // namespace duet
