#include "apps/cli/config.h"

#include <toml++/toml.h>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/base/error.h"
#include "layers/fusion/fusion.h"

namespace duet {
namespace {

constexpr double huge = 1e15;

struct Preset {
  const char* name;
  std::int64_t size;
  std::vector<std::int64_t> widths, head;
  double dropout, block_dropout;
};

/// The paper's widths, head and dropout at three input sizes; smaller ones with less or none, which
/// learns better (docs/results.md).
const std::vector<Preset>& presets() {
  static const std::vector<std::int64_t> paper_widths = {64, 128, 256, 512},
                                         paper_head = {4096, 2048, 1024};
  static const std::vector<Preset> all = {
      {"tiny", 48, {8, 16, 32, 64}, {128, 64, 32}, 0.1, 0},
      {"small", 64, {32, 64, 128, 256}, {512, 256, 128}, 0, 0},
      {"paper-64", 64, paper_widths, paper_head, 0.3, 0.3},
      {"paper", 128, paper_widths, paper_head, 0.3, 0.3},
      {"paper-224", 224, paper_widths, paper_head, 0.3, 0.3},
  };
  return all;
}

/// A TOML basic string has the escapes of a JSON string. Throws where the text is not UTF-8.
std::string toml_string(const std::string& text) { return nlohmann::json(text).dump(); }

[[noreturn]] void malformed(const Option& option, const std::string& text,
                            const std::string& expected) {
  fail<UsageError>("{}: '{}' is not {}", option.flag(), text, expected);
}

template <class T>
T parse_number(const Option& option, const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    malformed(option, text, std::is_integral_v<T> ? "a whole number" : "a number");
  const double number = static_cast<double>(value);
  if (!(number >= option.least && number <= option.most)) {
    if (option.most >= huge && !(number > option.most))
      malformed(option, text, fmt::format("at least {}", option.least));
    malformed(option, text, fmt::format("between {} and {}", option.least, option.most));
  }
  return value;
}

void set_field(Config& config, const Option& option, const std::string& text) {
  if (!option.choices.empty() &&
      std::find(option.choices.begin(), option.choices.end(), text) == option.choices.end())
    malformed(option, text, fmt::format("one of {}", fmt::join(option.choices, ", ")));
  std::visit(
      [&](auto field) {
        using T = std::remove_reference_t<decltype(config.*field)>;
        if constexpr (std::is_same_v<T, std::string>) {
          try {
            toml_string(text);
          } catch (const nlohmann::json::exception&) {
            malformed(option, text,
                      "UTF-8, as config.toml has to be; a link with such a name helps");
          }
          config.*field = text;
        } else if constexpr (std::is_same_v<T, bool>) {
          if (text != "true" && text != "false") malformed(option, text, "true or false");
          config.*field = text == "true";
        } else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
          std::vector<std::int64_t> values;
          // A last comma stands for a missing number, as one in the middle does.
          std::istringstream in(text.ends_with(',') ? text + ',' : text);
          for (std::string part; std::getline(in, part, ',');)
            values.push_back(parse_number<std::int64_t>(option, part));
          config.*field = values;
        } else {
          config.*field = parse_number<T>(option, text);
        }
      },
      option.field);
}

const Option& find_option(const std::string& key) {
  for (const Option& option : options())
    if (key == option.key) return option;
  fail("no option is called '{}'", key);
}

void apply_settings(Config& config, const Settings& settings) {
  for (const auto& [key, text] : settings) set_field(config, find_option(key), text);
}

void apply_preset(Config& config, const std::string& name) {
  for (const Preset& preset : presets())
    if (name == preset.name) {
      config.preset = name;
      config.size = preset.size;
      config.widths = preset.widths;
      config.head = preset.head;
      config.dropout = preset.dropout;
      config.block_dropout = preset.block_dropout;
      return;
    }
  fail<UsageError>("--preset: '{}' is not one of {}", name, fmt::join(preset_names(), ", "));
}

/// The shortest decimal that reads back as the same double, with a point or exponent as TOML's
/// floats have.
std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string flag_of(std::string_view key) {
  std::string name = fmt::format("--{}", key);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

const std::vector<Option>& options() {
  using C = Config;
  static const std::vector<Option> all = {
      {"data", "faces", &C::faces, "folder (or CSV) of faces", {}},
      {"data", "voices", &C::voices, "folder (or CSV) of voices", {}},
      {"data", "demo", &C::demo, "draw faces and speak voices instead of reading them", {}},
      {"data",
       "faces_kind",
       &C::faces_kind,
       "corpus of the faces",
       {"auto", "m-lfw-fer", "fer2013", "folders", "csv"}},
      {"data",
       "voices_kind",
       &C::voices_kind,
       "corpus of the voices",
       {"auto", "tess", "crema-d", "ravdess", "folders", "csv"}},
      {"data",
       "split",
       &C::split,
       "what is kept apart between train, dev and test",
       {"auto", "corpus", "speaker", "random-word", "cross-actress", "leaky"}},
      {"data",
       "folds",
       &C::folds,
       "cross-validation over speakers: how many parts (0: none)",
       {},
       0,
       1000},
      {"data", "fold", &C::fold, "which of the parts is the test", {}, 0, 999},
      {"data",
       "pairing",
       &C::pairing,
       "pair faces and voices once, or draw again each epoch",
       {"fixed", "per-epoch"}},
      {"data",
       "strict_identity",
       &C::strict_identity,
       "persons shared by a corpus's own train and test are an error",
       {}},
      {"data", "augment_faces", &C::augment_faces, "flip, move and brighten training faces", {}},
      {"data",
       "augment_voices",
       &C::augment_voices,
       "change repeated training voices (time, gain, noise)",
       {}},
      {"data",
       "voice_speed",
       &C::voice_speed,
       "how much faster or slower repeated training voices may be, 0.1: a tenth",
       {},
       0,
       1},
      {"data",
       "voice_masks",
       &C::voice_masks,
       "bands of frequency, and as many of time, hidden in each training spectrogram",
       {},
       0,
       100},
      {"data", "workers", &C::workers, "threads that decode ahead", {}, 1, 64},
      {"data", "cache_mb", &C::cache_mb, "memory for decoded files, MiB", {}, 0, 1e7},
      {"network", "preset", &C::preset, "sizes and dropout of the network", preset_names()},
      {"network", "stream", &C::stream, "both streams, or one alone", {"both", "face", "voice"}},
      {"network", "fusion", &C::fusion, "how the streams are joined", fusion_names()},
      {"network", "size", &C::size, "side S of both inputs, a multiple of 16", {}, 16, 4096},
      {"network", "widths", &C::widths, "channels of the four blocks", {}, 1, 65536},
      {"network", "head", &C::head, "widths of the hidden fully connected layers", {}, 1, 1e6},
      {"network",
       "dropout",
       &C::dropout,
       "dropout after each hidden fully connected layer",
       {},
       0,
       0.99},
      {"network", "block_dropout", &C::block_dropout, "dropout after each pool", {}, 0, 0.99},
      {"network", "batch_norm", &C::batch_norm, "batch normalisation after each convolution", {}},
      {"network",
       "bn_momentum",
       &C::bn_momentum,
       "share of a batch in the running statistics",
       {},
       0,
       1},
      {"network", "bn_eps", &C::bn_eps, "added to the variance", {}, 1e-12, 1},
      {"front_end",
       "sample_rate",
       &C::sample_rate,
       "Hz that voices are brought to",
       {},
       1000,
       192000},
      {"front_end",
       "seconds",
       &C::seconds,
       "length that clips are cropped or padded to",
       {},
       0.1,
       60},
      {"front_end", "n_fft", &C::n_fft, "samples of a frame", {}, 16, 65536},
      {"front_end", "hop_length", &C::hop_length, "samples between frames", {}, 1, 65536},
      {"front_end", "n_mels", &C::n_mels, "mel bands", {}, 1, 4096},
      {"front_end", "fmin", &C::fmin, "Hz, lower end of the mel bands", {}, 0, 96000},
      {"front_end", "fmax", &C::fmax, "Hz, upper end of the mel bands", {}, 1, 96000},
      {"front_end",
       "top_db",
       &C::top_db,
       "dB below the clip's maximum that count as silence",
       {},
       1,
       200},
      {"front_end",
       "spectrogram_style",
       &C::spectrogram_style,
       "one log-mel channel, or three of a colour map",
       {"log-mel", "rgb"}},
      {"training", "epochs", &C::epochs, "passes over the training pairs", {}, 1, 1e6},
      {"training", "batch_size", &C::batch_size, "pairs a step", {}, 1, 65536},
      {"training", "max_steps", &C::max_steps, "stop after so many steps (0: never)", {}, 0, huge},
      {"training", "lr", &C::lr, "Adam's learning rate", {}, 0, 1e30},
      {"training",
       "lr_schedule",
       &C::lr_schedule,
       "the learning rate over the training: constant, or falling to 0 by half a cosine",
       {"constant", "cosine"}},
      {"training",
       "warmup_steps",
       &C::warmup_steps,
       "first steps, over which the learning rate rises evenly to what it would be",
       {},
       0,
       huge},
      {"training", "beta1", &C::beta1, "Adam's decay of the first moment", {}, 0, 0.999999},
      {"training", "beta2", &C::beta2, "Adam's decay of the second moment", {}, 0, 0.9999999},
      {"training", "adam_eps", &C::adam_eps, "Adam's epsilon", {}, 0, 1},
      {"training", "l2", &C::l2, "lambda of the penalty on convolution weights", {}, 0, 1e6},
      {"training",
       "l2_form",
       &C::l2_form,
       "penalty lambda*sum(w^2), or half of it",
       {"full", "half"}},
      {"training",
       "class_weights",
       &C::class_weights,
       "weigh classes by the inverse of their frequency",
       {"none", "balanced"}},
      {"training",
       "label_smoothing",
       &C::label_smoothing,
       "share of a label that is spread over all classes",
       {},
       0,
       0.99},
      {"training",
       "modality_dropout",
       &C::modality_dropout,
       "share of the training pairs that lack one of the two streams",
       {},
       0,
       1},
      {"training",
       "stream_balance",
       &C::stream_balance,
       "how strongly the stream that is ahead is held back (0: not; needs modality dropout)",
       {},
       0,
       100},
      {"training",
       "pretrain_face",
       &C::pretrain_face,
       "epochs that the face's stream is trained alone, before both are together",
       {},
       0,
       1e6},
      {"training",
       "pretrain_voice",
       &C::pretrain_voice,
       "epochs that the voice's stream is trained alone, before both are together",
       {},
       0,
       1e6},
      {"training",
       "bn_reestimate",
       &C::bn_reestimate,
       "measure batch norm's statistics with dropout off before each evaluation",
       {}},
      {"training",
       "bn_reestimate_batches",
       &C::bn_reestimate_batches,
       "training batches for that",
       {},
       1,
       huge},
      {"training",
       "patience",
       &C::patience,
       "stop after so many epochs without a better dev recall (0: never)",
       {},
       0,
       1e6},
      {"training",
       "seed",
       &C::seed,
       "of weights, splits, pairs, order, masks and augmentation",
       {},
       0,
       huge},
      {"run",
       "checkpoint_every",
       &C::checkpoint_every,
       "steps between checkpoints inside an epoch (0: each epoch's end only)",
       {},
       0,
       huge},
      {"run",
       "keep",
       &C::keep,
       "how many models of past epochs are kept beside the best",
       {},
       0,
       1e6},
      {"run",
       "tensorboard",
       &C::tensorboard,
       "write event files for TensorBoard into the run's folder",
       {}},
      {"run", "threads", &C::threads, "cores to compute on (0: all)", {}, 0, 4096},
      {"run",
       "device",
       &C::device,
       "auto, cpu, cuda, cuda:N, or simt (the CUDA kernels emulated on the CPU)",
       {}},
      {"run",
       "cuda_graph",
       &C::cuda_graph,
       "capture the training step once and launch it as a graph (cuda, simt)",
       {}},
      {"run", "impl", &C::impl, "rows to run: OP=ROW,…, handwritten, library or ref", {}},
      {"run",
       "autotune",
       &C::autotune,
       "measure which row is the fastest for each call, and keep to it",
       {}},
      {"run",
       "controls",
       &C::controls,
       "what a fused score is held against: shuffled (one modality at a time), all (each stream "
       "trained alone, too)",
       {"none", "shuffled", "all"}},
      {"run",
       "precision",
       &C::precision,
       "what the network computes in",
       {"f32", "f64", "tf32", "bf16"}},
  };
  return all;
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

Config resolve(const Settings& file, const Settings& command_line) {
  Config config;
  const auto named = [](const Settings& settings) {
    const auto found = settings.find("preset");
    return found == settings.end() ? std::string() : found->second;
  };
  std::string preset = named(command_line);
  if (preset.empty()) preset = named(file);
  apply_preset(config, preset.empty() ? config.preset : preset);
  apply_settings(config, file);
  // A preset on the command line is stronger than the sizes in a file, unless the command line
  // gives sizes too.
  if (!named(command_line).empty()) apply_preset(config, preset);
  apply_settings(config, command_line);
  check(config);
  return config;
}

Settings read_toml(std::string_view text, const std::string& source) {
  toml::table table;
  try {
    table = toml::parse(text, source);
  } catch (const toml::parse_error& e) {
    fail<UsageError>("{}, line {}: {}", source, e.source().begin.line, e.description());
  }
  Settings settings;
  for (const auto& [section, node] : table) {
    const toml::table* entries = node.as_table();
    std::vector<std::string> sections, keys;
    for (const Option& option : options()) {
      if (sections.empty() || sections.back() != option.section) sections.push_back(option.section);
      if (section.str() == option.section) keys.push_back(option.key);
    }
    if (!entries || keys.empty())
      fail<UsageError>("{}, line {}: unknown section '{}'; the sections are {}", source,
                       node.source().begin.line, section.str(), fmt::join(sections, ", "));
    for (const auto& [key, value] : *entries) {
      const std::string name(key.str());
      const auto line = value.source().begin.line;
      if (std::find(keys.begin(), keys.end(), name) == keys.end())
        fail<UsageError>("{}, line {}: unknown key '{}' in [{}]; its keys are {}", source, line,
                         name, section.str(), fmt::join(keys, ", "));
      const auto scalar = [&](const toml::node& v) -> std::string {
        if (const auto s = v.value_exact<std::string>()) return *s;
        if (const auto b = v.value_exact<bool>()) return *b ? "true" : "false";
        if (const auto i = v.value_exact<std::int64_t>()) return std::to_string(*i);
        if (const auto d = v.value_exact<double>()) return fmt::format("{}", *d);
        fail<UsageError>(
            "{}, line {}: the value of '{}' is neither text, number, truth value nor list", source,
            line, name);
      };
      if (const toml::array* list = value.as_array()) {
        std::vector<std::string> parts;
        for (const toml::node& part : *list) parts.push_back(scalar(part));
        settings[name] = fmt::format("{}", fmt::join(parts, ","));
      } else {
        settings[name] = scalar(value);
      }
    }
  }
  return settings;
}

std::string value_text(const Config& config, const Option& option) {
  return std::visit(
      [&](auto field) {
        const auto& v = config.*field;
        if constexpr (std::is_same_v<decltype(v), const std::vector<std::int64_t>&>)
          return fmt::format("{}", fmt::join(v, ","));
        else
          return fmt::format("{}", v);
      },
      option.field);
}

std::string to_toml(const Config& config) {
  std::string text;
  const char* section = "";
  for (const Option& option : options()) {
    if (std::string_view(section) != option.section) {
      text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", option.section);
      section = option.section;
    }
    const std::string value = std::visit(
        [&](auto field) -> std::string {
          const auto& v = config.*field;
          using T = std::remove_cvref_t<decltype(v)>;
          if constexpr (std::is_same_v<T, std::string>) return toml_string(v);
          if constexpr (std::is_same_v<T, double>) return number_text(v);
          if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
            return fmt::format("[{}]", fmt::join(v, ", "));
          if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, std::int64_t>)
            return fmt::format("{}", v);
        },
        option.field);
    text += fmt::format("{} = {}\n", option.key, value);
  }
  return text;
}

void check(const Config& config) {
  if (config.widths.size() != 4)
    fail<UsageError>("--widths: four blocks need four widths, not {}", config.widths.size());
  if (config.size % 16 != 0) fail<UsageError>("--size: {} is not a multiple of 16", config.size);
  if (config.folds == 1) fail<UsageError>("--folds: cross-validation needs at least 2 parts");
  if (config.folds > 0 && config.fold >= config.folds)
    fail<UsageError>("--fold: the parts of {} folds are 0 to {}", config.folds, config.folds - 1);
  if (config.n_fft % 2 != 0) fail<UsageError>("--n-fft: {} is odd", config.n_fft);
  if (config.fmax > config.sample_rate / 2.0)
    fail<UsageError>("--fmax: {} Hz is above half the sample rate of {} Hz", config.fmax,
                     config.sample_rate);
  if (config.fmin >= config.fmax)
    fail<UsageError>("--fmin: {} Hz is not below --fmax {} Hz", config.fmin, config.fmax);
  if ((config.pretrain_face > 0 || config.pretrain_voice > 0) && config.stream != "both")
    fail<UsageError>("--pretrain-{}: with --stream {} there is nothing to train it for",
                     config.pretrain_face > 0 ? "face" : "voice", config.stream);
  if (config.voice_speed > 0 && !config.augment_voices)
    fail<UsageError>(
        "--voice-speed: is part of --augment-voices, which --no-augment-voices leaves out");
  if (config.stream_balance > 0 && config.modality_dropout == 0)
    fail<UsageError>(
        "--stream-balance: needs --modality-dropout, whose pairs of one stream say which is ahead");
  if (config.modality_dropout > 0 && config.stream != "both")
    fail<UsageError>("--modality-dropout: with --stream {} there is no other that could be absent",
                     config.stream);
}

}  // namespace duet
