#pragma once
/// How the feature maps of the two streams become one. A fusion is one file in this folder: a
/// class, and a line that registers it under the name that `train_mm --fusion NAME` takes.

#include <memory>
#include <string>
#include <vector>

#include "layers/module.h"

namespace duet {

/// Both maps are (N, height, width, channels).
struct FusionInput {
  std::int64_t channels, height, width;
};

class Fusion : public Module {
 public:
  /// face, voice (N, H, W, C) → (N, H, W, out_channels()).
  virtual Tensor forward(const Tensor& face, const Tensor& voice) = 0;
  virtual std::int64_t out_channels() const = 0;
};

using FusionFactory = std::unique_ptr<Fusion> (*)(Build&, const FusionInput&);

/// Makes a fusion known by name: `static const FusionRegistration registered("add",
/// make_fusion_of<Add>);`. One that brings an op with rows of its own names it too, so that the
/// tests hold each row against its reference.
struct FusionRegistration {
  FusionRegistration(const char* name, FusionFactory factory, const char* op = nullptr);
};

/// For a fusion class whose constructor takes (Build&, const FusionInput&).
template <class F>
std::unique_ptr<Fusion> make_fusion_of(Build& build, const FusionInput& input) {
  return std::make_unique<F>(build, input);
}

/// The registered names, sorted.
std::vector<std::string> fusion_names();
/// The op that a registered fusion brought along; empty where it is composed of others.
std::string fusion_op(const std::string& name);
/// UsageError, listing the known names, for an unknown one.
std::unique_ptr<Fusion> make_fusion(const std::string& name, Build& build,
                                    const FusionInput& input);

}  // namespace duet
