#include "layers/two_stream.h"

#include "engine/ops/binary.h"
#include "engine/ops/cast.h"
#include "engine/ops/permute.h"
#include "engine/ops/reshape.h"
#include "engine/side_by_side.h"

namespace duet {
namespace {

/// A stream's map (N, H, W, C) as the fusion is given it: zero for the pairs that lack the stream.
/// Where all lack it there is no map, and the other stream's says how large it would be.
Tensor where_present(const Tensor& map, const Tensor& presence, const Tensor& other) {
  if (!map) return Tensor::zeros(other.shape(), other.dtype(), other.device());
  return presence ? map * reshape(presence, {presence.numel(), 1, 1, 1}) : map;
}

/// Up to so many pairs, two cores answer sooner with a stream each than with half of every layer.
constexpr std::int64_t most_pairs_apart = 8;

}  // namespace

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

Tensor TwoStream::forward(const Tensor& face, const Tensor& voice, const Presence& presence) {
  require((face_ && face) || (voice_ && voice), "[network] none of its streams has an input");
  Tensor features;
  if (!voice_) {
    features = face_->forward(face);
  } else if (!face_) {
    features = voice_->forward(voice);
  } else {
    const auto [face_map, voice_map] = maps(face, voice);
    const NameScope scope("fusion");
    features = fusion_->forward(where_present(face_map, presence.face, voice_map),
                                where_present(voice_map, presence.voice, face_map));
  }
  return head_->forward(flatten_chw(features));
}

std::pair<Tensor, Tensor> TwoStream::maps(const Tensor& face, const Tensor& voice) {
  std::pair<Tensor, Tensor> maps;
  const auto see = [&] { maps.first = face_->forward(face); };
  const auto hear = [&] { maps.second = voice_->forward(voice); };
  const bool both = face && voice;
  if (both && frozen() && face.device() == Device{} && thread_count() == 2 &&
      face.dim(0) <= most_pairs_apart) {
    side_by_side(see, hear);
  } else {
    if (face) see();
    if (voice) hear();
  }
  return maps;
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
