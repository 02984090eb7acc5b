#pragma once
/// The paper's network: a face stream and a voice stream, fused, flattened, and classified by fully
/// connected layers.

#include "layers/fusion/fusion.h"
#include "layers/linear.h"
#include "layers/vgg_stream.h"

namespace duet {

enum class Streams : std::uint8_t { both, face, voice };

struct TwoStreamOptions {
  Streams streams = Streams::both;
  std::string fusion = "concat";
  /// Both inputs are S × S; a multiple of 16.
  std::int64_t size = 64;
  std::int64_t face_channels = 3, voice_channels = 1, classes = 3;
  VggOptions stream;
  /// Widths of the hidden fully connected layers, each followed by ReLU and dropout.
  std::vector<std::int64_t> head = {4096, 2048, 1024};
  double head_dropout = 0.3;
};

/// Which pairs of a batch have each stream: (N) of the inputs' type, 1 or 0. Undefined where all
/// have it.
struct Presence {
  Tensor face, voice;
};

class TwoStream : public Module {
 public:
  TwoStream(Build& build, const TwoStreamOptions& options);

  /// face (N, S, S, face_channels), voice (N, S, S, voice_channels) → logits (N, classes). The
  /// tensor of a stream that this network does not have is not looked at. Where it has both, the
  /// fusion is given zeros for the map of an absent one: for the pairs that `presence` says lack
  /// it, or for all, without computing the stream, where its tensor is undefined.
  Tensor forward(const Tensor& face, const Tensor& voice, const Presence& presence = {});

  const TwoStreamOptions& options() const { return options_; }

 private:
  /// `fc1` … `fcN` and dropout between them. The result has x's type whatever the precision within.
  class Head : public Module {
   public:
    Head(Build& build, std::int64_t in_features, const TwoStreamOptions& options);
    Tensor forward(const Tensor& x);

   private:
    DType inside_;
    std::deque<Linear> layers_;
    Dropout dropout_;
  };

  /// What the streams make of those of the inputs that there are.
  std::pair<Tensor, Tensor> maps(const Tensor& face, const Tensor& voice);

  TwoStreamOptions options_;
  std::optional<VggStream> face_, voice_;
  std::unique_ptr<Fusion> fusion_;
  std::optional<Head> head_;
};

}  // namespace duet
