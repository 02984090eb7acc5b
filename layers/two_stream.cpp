#include "layers/two_stream.h"

#include "engine/ops/cast.h"
#include "engine/ops/permute.h"

namespace duet {

TwoStream::TwoStream(Build& build, const TwoStreamOptions& options) : options_(options) {
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
  Tensor features;
  if (!voice_) {
    features = face_->forward(face);
  } else if (!face_) {
    features = voice_->forward(voice);
  } else {
    const Tensor face_map = face_->forward(face), voice_map = voice_->forward(voice);
    const NameScope scope("fusion");
    features = fusion_->forward(face_map, voice_map);
  }
  return head_->forward(flatten_chw(features));
}

TwoStream::Head::Head(Build& build, std::int64_t in_features, const TwoStreamOptions& options)
    : inside_(build.activation_dtype()), dropout_(build, options.head_dropout) {
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
  Tensor y = cast(x, inside_);
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) y = dropout_.forward(layers_[i].forward(y));
  return cast(layers_.back().forward(y), x.dtype());
}

}  // namespace duet
