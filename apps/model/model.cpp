#include "apps/model/model.h"

#include "engine/ops/resize.h"
#include "engine/ops/softmax.h"
#include "engine/ops/standardize.h"

namespace duet {

void face_pixels(const Picture& picture, std::int64_t size, std::span<float> out) {
  const Tensor pixels = Tensor::empty({1, picture.height, picture.width, 3});
  std::transform(picture.rgb.begin(), picture.rgb.end(), pixels.data<float>(),
                 [](std::uint8_t value) { return static_cast<float>(value) * (1.0f / 255.0f); });
  const Tensor resized = resize(pixels, size, size);
  std::copy_n(resized.data<float>(), resized.numel(), out.begin());
}

Model::Model(const Config& config, Device device, Precision precision, bool draw_weights)
    : Model(config, Build{precision == Precision::f64 ? DType::f64 : DType::f32, device, random_,
                          precision, draw_weights}) {}

Model::Model(const Config& config, Build build)
    : device_(build.device),
      dtype_(build.dtype),
      front_end_(front_end_of(config)),
      random_{static_cast<std::uint64_t>(config.seed), 0},
      network_(build, network_of(config)) {
  description.config = config;
  description.version = DUET_VERSION;
  description.normalization = {std::vector<double>(3, 0), std::vector<double>(3, 1),
                               std::vector<double>(front_end_.channels(), 0),
                               std::vector<double>(front_end_.channels(), 1)};
}

std::unique_ptr<Model> Model::load(const std::filesystem::path& path, Device device,
                                   Precision precision) {
  const Safetensors file = read_safetensors(path);
  const ModelDescription description = from_metadata(file.metadata, path.string());
  auto model = std::make_unique<Model>(description.config, device, precision, false);
  model->description = description;
  model->network_.share_state(file.tensors, path.string());
  return model;
}

void Model::save(const std::filesystem::path& path, std::map<std::string, Tensor> others,
                 std::map<std::string, std::string> other_metadata) const {
  others.merge(network_.state());
  other_metadata.merge(to_metadata(description));
  write_safetensors(path, others, std::move(other_metadata));
}

Tensor Model::voice_images(const Tensor& waves) const {
  return spectrogram_image(front_end_, log_mel(front_end_, waves), description.config.size);
}

Inputs Model::prepare(const RawInputs& raw) const {
  const NoGradScope no_grad;
  const Normalization& n = description.normalization;
  Inputs inputs;
  if (sees_faces() && raw.faces)
    inputs.face = standardize(raw.faces.to(device_), n.face_mean, n.face_std);
  if (hears_voices() && raw.waves)
    inputs.voice = standardize(voice_images(raw.waves.to(device_)), n.voice_mean, n.voice_std);
  inputs.presence = {raw.presence.face.to(device_), raw.presence.voice.to(device_)};
  return inputs;
}

Tensor Model::probabilities(const Inputs& inputs) {
  const NoGradScope no_grad;
  network_.set_mode(Mode::evaluation);
  return softmax(forward(inputs)).to(Device{}).to(DType::f32);
}

}  // namespace duet
