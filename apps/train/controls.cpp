#include "apps/train/controls.h"

#include "apps/train/single_stream.h"
#include "engine/atomic_file.h"

namespace duet {

std::vector<Pair> shuffled_pairs(const std::vector<Pair>& pairs,
                                 const std::vector<std::size_t>& which, Modality shuffled,
                                 RandomSequence& random) {
  std::vector<std::size_t> from = which;
  random.shuffle(from);
  std::vector<Pair> result;
  for (std::size_t i = 0; i < which.size(); ++i) {
    Pair pair = pairs[which[i]];
    const Pair& other = pairs[from[i]];
    if (shuffled == Modality::face) {
      pair.face = other.face, pair.person = other.person;
    } else {
      pair.voice = other.voice, pair.speaker = other.speaker, pair.text = other.text;
    }
    result.push_back(std::move(pair));
  }
  return result;
}

Answers answers_when_shuffled(Model& model, Samples& samples, const std::vector<Pair>& pairs,
                              const std::vector<std::size_t>& which, Modality shuffled,
                              int workers) {
  RandomSequence random = random_for(1, "shuffled controls");
  std::vector<Pair> asked;
  for (int round = 0; round < shuffle_rounds; ++round)
    for (Pair& pair : shuffled_pairs(pairs, which, shuffled, random))
      asked.push_back(std::move(pair));
  std::vector<std::size_t> all(asked.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return evaluate(model, samples, asked, all, workers);
}

Config control_config(const Config& config, const RunFolder& folder, const std::string& stream) {
  const std::int64_t before = stream == "face" ? config.pretrain_face : config.pretrain_voice;
  return single_stream_config(config, folder, stream, before + config.epochs);
}

bool control_is_there(const Config& config, const RunFolder& folder, const std::string& stream) {
  const RunFolder own{folder.control(stream)};
  if (!own.finished()) return false;
  const Config trained =
      resolve(read_toml(read_file(own.config()), own.config().string()), Settings{});
  const Config wanted = control_config(config, folder, stream);
  return trained.epochs == wanted.epochs && trained.max_steps == wanted.max_steps &&
         trained.patience == wanted.patience;
}

Trainer::Outcome train_control(const Config& config, Device device, const RunFolder& folder,
                               const std::string& stream, Progress& progress) {
  return train_single_stream(config, device, folder, {folder.control(stream)},
                             control_config(config, folder, stream), "control", progress);
}

}  // namespace duet
