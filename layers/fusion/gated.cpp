/// A gate chooses between the streams, for every position and channel (after Arevalo et al., "Gated
/// multimodal units", 2017):
///
///   g = sigmoid(conv1×1([face, voice]));   y = g · face + (1 − g) · voice

#include "engine/ops/binary.h"
#include "engine/ops/concat.h"
#include "engine/ops/unary.h"
#include "layers/conv2d.h"
#include "layers/fusion/fusion.h"

namespace duet {
namespace {

class Gated : public Fusion {
 public:
  Gated(Build& build, const FusionInput& input)
      : channels_(input.channels), gate_(build, 2 * input.channels, input.channels, 1, 0, true) {
    add_part("gate", gate_);
  }

  Tensor forward(const Tensor& face, const Tensor& voice) override {
    const Tensor gate = sigmoid(gate_.forward(concat({face, voice})));
    return voice + gate * (face - voice);
  }
  std::int64_t out_channels() const override { return channels_; }

 private:
  std::int64_t channels_;
  Conv2d gate_;
};

const FusionRegistration registered("gated", make_fusion_of<Gated>);

}  // namespace
}  // namespace duet
