/// The paper's fusion: both feature maps side by side, the face's channels first.

#include "engine/ops/concat.h"
#include "layers/fusion/fusion.h"

namespace duet {
namespace {

class Concat : public Fusion {
 public:
  Concat(Build&, const FusionInput& input) : channels_(2 * input.channels) {}
  Tensor forward(const Tensor& face, const Tensor& voice) override { return concat({face, voice}); }
  std::int64_t out_channels() const override { return channels_; }

 private:
  std::int64_t channels_;
};

const FusionRegistration registered("concat", make_fusion_of<Concat>);

}  // namespace
}  // namespace duet
