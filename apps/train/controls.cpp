#include "apps/train/controls.h"

#include "apps/train/run_pairs.h"
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
  Config single = config;
  single.stream = stream;
  single.modality_dropout = single.stream_balance = 0;
  if (config.demo) {
    single.demo = false;
    single.faces = std::filesystem::absolute(folder.demo() / "faces").string();
    single.voices = std::filesystem::absolute(folder.demo() / "voices").string();
  }
  return single;
}

bool control_is_there(const Config& config, const RunFolder& folder, const std::string& stream) {
  const RunFolder own{folder.control(stream)};
  if (!own.finished()) return false;
  const Config trained =
      resolve(read_toml(read_file(own.config()), own.config().string()), Settings{});
  return trained.epochs == config.epochs && trained.max_steps == config.max_steps &&
         trained.patience == config.patience;
}

Trainer::Outcome train_control(const Config& config, Device device, const RunFolder& folder,
                               const std::string& stream, Progress& progress) {
  const RunFolder own{folder.control(stream)};
  const Config single = control_config(config, folder, stream);
  std::filesystem::create_directories(own.path);
  write_file_atomically(own.config(), to_toml(single));
  if (!exists(own.pairs())) write_pairs(own.pairs(), run_pairs(config, folder, progress).pairs);
  progress.line(fmt::format("control: {} alone, in {}", stream, own.path.string()));
  return Trainer(single, device, own, progress).run();
}

}  // namespace duet
