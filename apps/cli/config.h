#pragma once
/// Everything that a run can be told: one table of options serves the command line, config.toml and
/// the model file.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace duet {

struct Config {
  // [data]
  std::string faces, voices;
  bool demo = false;
  std::string faces_kind = "auto", voices_kind = "auto";
  std::string split = "auto";
  std::int64_t folds = 0, fold = 0;
  std::string pairing = "fixed";
  bool strict_identity = false;
  bool augment_faces = true, augment_voices = true;
  double voice_speed = 0;
  std::int64_t voice_masks = 0;
  std::int64_t workers = 2, cache_mb = 2048;

  // [network]
  std::string preset = "small";
  std::string stream = "both", fusion = "concat";
  std::int64_t size = 64;
  std::vector<std::int64_t> widths = {32, 64, 128, 256}, head = {512, 256, 128};
  double dropout = 0, block_dropout = 0;
  bool batch_norm = true;
  double bn_momentum = 0.1, bn_eps = 1e-5;

  // [front_end]
  std::int64_t sample_rate = 16000;
  double seconds = 3;
  std::int64_t n_fft = 1024, hop_length = 256, n_mels = 128;
  double fmin = 0, fmax = 8000, top_db = 80;
  std::string spectrogram_style = "log-mel";

  // [training]
  std::int64_t epochs = 50, batch_size = 32, max_steps = 0;
  std::string lr_schedule = "constant";
  std::int64_t warmup_steps = 0;
  double lr = 3e-4, beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;
  double l2 = 1e-4;
  std::string l2_form = "full";
  std::string class_weights = "none";
  double label_smoothing = 0;
  double modality_dropout = 0, stream_balance = 0;
  std::int64_t pretrain_face = 0, pretrain_voice = 0;
  bool bn_reestimate = true;
  std::int64_t bn_reestimate_batches = 50;
  std::int64_t patience = 0;
  std::int64_t seed = 1;

  // [run]
  std::int64_t checkpoint_every = 0, keep = 0;
  std::int64_t threads = 0;
  std::string device = "auto", impl, precision = "f32";
  bool cuda_graph = false, autotune = false, tensorboard = false;
  std::string controls = "shuffled";
};

/// `batch_size` on the command line: `--batch-size`.
std::string flag_of(std::string_view key);

/// One option of the table.
struct Option {
  using Field = std::variant<std::string Config::*, std::int64_t Config::*, double Config::*,
                             bool Config::*, std::vector<std::int64_t> Config::*>;
  const char* section;  ///< of config.toml
  const char* key;      ///< `batch_size` in config.toml, `--batch-size` on the command line
  Field field;
  const char* help;
  std::vector<std::string> choices;  ///< the allowed words, when there are few
  double least = -1e300, most = 1e300;

  std::string flag() const { return flag_of(key); }
};
const std::vector<Option>& options();

/// Values by key, as text: "0.3", "true", "32,64,128,256".
using Settings = std::map<std::string, std::string>;

/// Defaults, then the preset that the settings name, then the file's settings, then the command
/// line's. UsageError for a value that is malformed or out of range.
Config resolve(const Settings& file, const Settings& command_line);

/// The settings of a TOML text; UsageError, naming `source` and the line, for an unknown section or
/// key.
Settings read_toml(std::string_view text, const std::string& source);

/// What an option is set to, as a setting's text.
std::string value_text(const Config& config, const Option& option);

/// All options with their values, in sections.
std::string to_toml(const Config& config);

/// UsageError for options that contradict each other.
void check(const Config& config);

std::vector<std::string> preset_names();

}  // namespace duet
