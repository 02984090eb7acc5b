#pragma once
/// A network with what turns pictures and sounds into its inputs.

#include <filesystem>
#include <memory>

#include "apps/data/picture.h"
#include "apps/model/description.h"
#include "audio/sound.h"
#include "engine/safetensors.h"

namespace duet {

/// A picture as floats in 0 … 1, resized: `out` is (size, size, 3). Runs on the calling thread
/// alone.
void face_pixels(const Picture& picture, std::int64_t size, std::span<float> out);

/// A batch before standardisation. A stream that is absent has no tensor.
struct RawInputs {
  Tensor faces;       ///< (N, S, S, 3) in 0 … 1
  Tensor waves;       ///< (N, clip_samples)
  Presence presence;  ///< where some of the pairs lack a stream
};

/// What the network sees: each (N, S, S, channels).
struct Inputs {
  Tensor face, voice;
  Presence presence;
};

class Model {
 public:
  /// A new network on a device, its weights drawn under the configuration's seed, or left as memory
  /// happens to be where others will be loaded.
  explicit Model(const Config& config, Device device = {}, Precision precision = Precision::f32,
                 bool draw_weights = true);

  /// The model of a file that `save` wrote, which need not have been trained in `precision`. It is
  /// for answers, not for training: its weights may be the file's own pages, read-only.
  static std::unique_ptr<Model> load(const std::filesystem::path& path, Device device = {},
                                     Precision precision = Precision::f32);
  /// The network's tensors, and others of the caller's, with the description as metadata.
  void save(const std::filesystem::path& path, std::map<std::string, Tensor> others = {},
            std::map<std::string, std::string> other_metadata = {}) const;

  /// Images in 0 … 1 of the waves: what `Normalization` is measured on.
  Tensor voice_images(const Tensor& waves) const;
  /// The network's inputs, on its device.
  Inputs prepare(const RawInputs& raw) const;
  /// Logits (N, classes), with history.
  Tensor forward(const Inputs& inputs) {
    return network_.forward(inputs.face, inputs.voice, inputs.presence);
  }
  /// (N, classes) f32 on the CPU, in evaluation mode, without history. A network of both streams
  /// may be given one alone; how good its answer then is depends on `may_lack_a_stream`.
  Tensor probabilities(const Inputs& inputs);
  Tensor probabilities(const RawInputs& raw) { return probabilities(prepare(raw)); }

  Device device() const { return device_; }
  /// Of the parameters, and of inputs.
  DType dtype() const { return dtype_; }
  bool sees_faces() const { return streams_of(description.config) != Streams::voice; }
  bool hears_voices() const { return streams_of(description.config) != Streams::face; }
  /// Whether it has learned to answer where one of its two streams is absent.
  bool may_lack_a_stream() const { return description.config.modality_dropout > 0; }

  TwoStream& network() { return network_; }
  const TwoStream& network() const { return network_; }
  RandomState& random() { return random_; }
  const FrontEnd& front_end() const { return front_end_; }
  const Config& config() const { return description.config; }

  ModelDescription description;

 private:
  Model(const Config& config, Build build);

  Device device_;
  DType dtype_;
  FrontEnd front_end_;
  RandomState random_;
  TwoStream network_;
};

}  // namespace duet
