#include "apps/train/single_stream.h"

#include "apps/train/run_pairs.h"
#include "engine/atomic_file.h"

namespace duet {

Config single_stream_config(const Config& config, const RunFolder& folder,
                            const std::string& stream, std::int64_t epochs) {
  Config single = config;
  single.stream = stream;
  single.epochs = epochs;
  single.pretrain_face = single.pretrain_voice = 0;
  single.modality_dropout = single.stream_balance = 0;
  if (config.demo) {
    single.demo = false;
    single.faces = std::filesystem::absolute(folder.demo() / "faces").string();
    single.voices = std::filesystem::absolute(folder.demo() / "voices").string();
  }
  return single;
}

Trainer::Outcome train_single_stream(const Config& config, Device device, const RunFolder& folder,
                                     const RunFolder& own, const Config& single, const char* what,
                                     Progress& progress) {
  std::filesystem::create_directories(own.path);
  if (!exists(own.pairs())) write_pairs(own.pairs(), run_pairs(config, folder, progress).pairs);
  write_file_atomically(own.config(), to_toml(single));
  progress.line(fmt::format("{}: {} alone, in {}", what, single.stream, own.path.string()));
  return Trainer(single, device, own, progress).run();
}

Trainer::Outcome pretrain_streams(const Config& config, Device device, const RunFolder& folder,
                                  Progress& progress) {
  if (exists(folder.last())) return Trainer::Outcome::finished;
  for (const auto& [stream, epochs] :
       {std::pair("face", config.pretrain_face), std::pair("voice", config.pretrain_voice)}) {
    if (epochs == 0) continue;
    const Config single = single_stream_config(config, folder, stream, epochs);
    if (train_single_stream(config, device, folder, {folder.pretrained(stream)}, single,
                            "pretraining", progress) == Trainer::Outcome::interrupted)
      return Trainer::Outcome::interrupted;
  }
  return Trainer::Outcome::finished;
}

}  // namespace duet
