/// The sum of both feature maps.

#include "engine/ops/binary.h"
#include "layers/fusion/fusion.h"

namespace duet {
namespace {

class Add : public Fusion {
 public:
  Add(Build&, const FusionInput& input) : channels_(input.channels) {}
  Tensor forward(const Tensor& face, const Tensor& voice) override { return face + voice; }
  std::int64_t out_channels() const override { return channels_; }

 private:
  std::int64_t channels_;
};

const FusionRegistration registered("add", make_fusion_of<Add>);

}  // namespace
}  // namespace duet
