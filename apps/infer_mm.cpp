/// infer_mm: runs a trained model on a face and a voice, or on a table of pairs.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cli/program.h"
#include "apps/data/pairs.h"
#include "apps/data/picture_write.h"
#include "apps/explain/explanation_files.h"
#include "apps/model/input_pictures.h"
#include "apps/model/model.h"
#include "engine/device.h"
#include "engine/npy.h"
#include "engine/ops/permute.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"

namespace {

using namespace duet;
namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct CommandLine {
  std::string model, face, voice, pairs, spectrogram, dump_inputs, explain, device = "auto", impl;
  int threads = 0;
  bool json = false, describe = false;
};

constexpr std::size_t batch_size = 32;

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings)
    fmt::print(stderr, "infer_mm: warning: {}\n", warning);
}

/// The stream that a pair lacks, though the network has it; "" where it has all of them.
std::string missing_stream(const Model& model, const fs::path& face, const fs::path& voice) {
  if (model.sees_faces() && face.empty()) return "face";
  return model.hears_voices() && voice.empty() ? "voice" : "";
}

/// Why the model has no answer where this stream is missing; "" where it has one.
std::string refusal(const Model& model, const std::string& missing) {
  if (missing.empty() || model.may_lack_a_stream()) return "";
  if (!model.sees_faces() || !model.hears_voices())
    return fmt::format("the model is one of {}s alone", missing);
  return fmt::format(
      "trained without --modality-dropout, the model has not learned to do without a {}", missing);
}

/// Decodes a file for each stream that the batch has into its row `i`; an empty path leaves the
/// row as it is.
void read_into(const Model& model, const RawInputs& raw, std::int64_t i, const fs::path& face,
               const fs::path& voice) {
  const std::int64_t size = model.config().size, samples = model.front_end().clip_samples();
  if (raw.faces && !face.empty()) {
    const Picture picture = read_picture(face);
    warn(picture.warnings);
    face_pixels(picture, size,
                raw.faces.span<float>().subspan(i * size * size * 3, size * size * 3));
  }
  if (raw.waves && !voice.empty()) {
    const Sound sound = read_sound(voice, static_cast<int>(model.front_end().sample_rate));
    warn(sound.warnings);
    fit_clip(sound.samples, raw.waves.span<float>().subspan(i * samples, samples));
  }
}

/// A batch of n pairs, all zero, of the streams that the model has and that some pair has.
RawInputs blank_inputs(const Model& model, std::int64_t n, bool faces, bool voices) {
  const std::int64_t size = model.config().size;
  RawInputs raw;
  if (model.sees_faces() && faces) raw.faces = Tensor::zeros({n, size, size, 3});
  if (model.hears_voices() && voices)
    raw.waves = Tensor::zeros({n, model.front_end().clip_samples()});
  return raw;
}

/// "  (voice missing)"
std::string note_of(const std::string& missing) {
  return missing.empty() ? "" : fmt::format("  ({} missing)", missing);
}

ordered_json answer_json(const std::string& face, const std::string& voice,
                         const std::string& missing, const float* probabilities) {
  ordered_json json;
  if (!face.empty()) json["face"] = face;
  if (!voice.empty()) json["voice"] = voice;
  if (!missing.empty()) json["missing"] = missing;
  json["label"] =
      class_names[std::max_element(probabilities, probabilities + class_count) - probabilities];
  for (int c = 0; c < class_count; ++c) json["probabilities"][class_names[c]] = probabilities[c];
  return json;
}

std::string dump(const ordered_json& json) {
  // A path may hold bytes that are no UTF-8.
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void print_bars(const float* probabilities, const std::string& missing) {
  const auto best = std::max_element(probabilities, probabilities + class_count) - probabilities;
  fmt::print("{}{}\n", class_names[best], note_of(missing));
  for (int c = 0; c < class_count; ++c) {
    std::string bar;
    for (int i = 0; i < static_cast<int>(probabilities[c] * 40 + 0.5f); ++i) bar += "█";
    fmt::print("  {:<9} {:5.1f} %  {}\n", class_names[c], 100 * probabilities[c], bar);
  }
}

/// (1, S, S, C) as the file (C, S, S).
void write_input(const fs::path& path, const Tensor& input) {
  const Tensor planes = permute(input, {0, 3, 1, 2});
  write_npy(path, planes.alias({planes.dim(1), planes.dim(2), planes.dim(3)}));
}

void dump_inputs(const Model& model, const RawInputs& raw, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail<DataError>("{}: cannot be made ({})", folder.string(), error.message());
  const Inputs inputs = model.prepare(raw);
  if (inputs.face) write_input(folder / "face.npy", inputs.face);
  if (inputs.voice) write_input(folder / "voice.npy", inputs.voice);
}

void write_spectrogram(const Model& model, const fs::path& voice, const fs::path& target) {
  const std::string kind = target.extension().string();
  if (kind != ".npy" && kind != ".png")
    fail<UsageError>("--spectrogram: {} ends neither in .npy nor in .png", target.string());
  const Sound sound = read_sound(voice, static_cast<int>(model.front_end().sample_rate));
  warn(sound.warnings);
  const Tensor db = log_mel(model.front_end(), sound);
  if (kind == ".npy") {
    write_npy(target, db.alias({db.dim(1), db.dim(2)}));
    return;
  }
  const Picture picture = spectrogram_picture(model.front_end(), db);
  write_png(target, picture.height, picture.width, 3, picture.rgb);
}

void write_explanation(Model& model, const RawInputs& raw, const CommandLine& line) {
  Asked asked;
  if (raw.faces) {
    asked.face_name = fs::path(line.face).filename().string();
    asked.face = face_picture(raw.faces.span<float>(), model.config().size);
  }
  if (raw.waves) {
    asked.voice_name = fs::path(line.voice).filename().string();
    asked.spectrogram =
        spectrogram_picture(model.front_end(), log_mel(model.front_end(), raw.waves));
  }
  const auto predict = [&](const Inputs& inputs) { return model.probabilities(inputs); };
  duet::write_explanation(line.explain,
                          explain(model.prepare(raw), predict, model.may_lack_a_stream()), asked);
}

void describe_model(const Model& model, const fs::path& path) {
  const ModelDescription& d = model.description;
  std::int64_t parameters = 0;
  std::string list;
  for (const Parameter& p : model.network().parameters()) {
    parameters += p.tensor.numel();
    list += fmt::format("  {} {}\n", p.name, to_string(p.tensor.shape()));
  }
  fmt::print("{}\nwritten by Duet {}\nclasses: {}\nparameters: {}\nsplit fingerprint: {}\n",
             path.string(), d.version, fmt::join(class_names, ", "), parameters,
             d.split_fingerprint);
  fmt::print("\nfront end:\n");
  const auto metadata = to_metadata(d);
  const auto front_end = ordered_json::parse(metadata.at("duet.front_end"));
  for (const auto& [key, value] : front_end.items()) fmt::print("  {} = {}\n", key, value.dump());
  const Normalization& n = d.normalization;
  fmt::print(
      "\nnormalization (per channel):\n  face mean {:.6f}, std {:.6f}\n  voice mean {:.6f}, std "
      "{:.6f}\n",
      fmt::join(n.face_mean, " "), fmt::join(n.face_std, " "), fmt::join(n.voice_mean, " "),
      fmt::join(n.voice_std, " "));
  fmt::print(
      "\nconfiguration:\n{}\ntensors (as held in memory, weights of convolutions (out, kH, kW, "
      "in)):\n{}",
      metadata.at("duet.config"), list);
}

int infer_pairs(Model& model, const CommandLine& line) {
  const std::vector<Pair> pairs = read_pairs(line.pairs);
  int status = 0;
  for (std::size_t begin = 0; begin < pairs.size(); begin += batch_size) {
    const std::size_t end = std::min(begin + batch_size, pairs.size());
    const auto n = static_cast<std::int64_t>(end - begin);
    const bool partly = model.may_lack_a_stream();
    const auto some_have = [&](fs::path Pair::*stream) {
      return !partly || std::any_of(pairs.begin() + begin, pairs.begin() + end,
                                    [&](const Pair& pair) { return !(pair.*stream).empty(); });
    };
    RawInputs raw = blank_inputs(model, n, some_have(&Pair::face), some_have(&Pair::voice));
    if (partly) raw.presence = {Tensor::full({n}, 1), Tensor::full({n}, 1)};
    std::vector<std::string> missing(n), errors(n);
    parallel_chunks(n, [&](std::int64_t i) {
      const SerialScope alone;
      const Pair& pair = pairs[begin + i];
      missing[i] = missing_stream(model, pair.face, pair.voice);
      // A row in error goes through the network like the others and is not looked at.
      try {
        if (const std::string why = refusal(model, missing[i]); !why.empty())
          fail<DataError>("this pair has no {}: {}", missing[i], why);
        read_into(model, raw, i, pair.face, pair.voice);
      } catch (const DataError& e) {
        errors[i] = e.what();
      }
      if (partly) {
        raw.presence.face.data<float>()[i] = missing[i] != "face";
        raw.presence.voice.data<float>()[i] = missing[i] != "voice";
      }
    });
    const Tensor probabilities = model.probabilities(raw);
    for (std::size_t i = 0; i < end - begin; ++i) {
      const Pair& pair = pairs[begin + i];
      const float* row = probabilities.data<float>() + i * class_count;
      const std::string face = model.sees_faces() ? pair.face.string() : "",
                        voice = model.hears_voices() ? pair.voice.string() : "";
      ordered_json json;
      if (!errors[i].empty()) {
        status = exit_data;
        json["face"] = face;
        json["voice"] = voice;
        json["error"] = errors[i];
      } else {
        json = answer_json(face, voice, missing[i], row);
      }
      if (pair.label != no_label) json["true_label"] = class_names[pair.label];
      if (!pair.split.empty()) json["split"] = pair.split;
      for (const auto& [column, value] : pair.other)
        if (!json.contains(column)) json[column] = value;
      if (line.json) {
        fmt::print("{}\n", dump(json));
      } else if (!errors[i].empty()) {
        fmt::print("{} {}: {}\n", face, voice, errors[i]);
      } else {
        fmt::print("{:<9} {:.3f} {:.3f} {:.3f}  {} {}{}\n", json["label"].get<std::string>(),
                   row[0], row[1], row[2], face, voice, note_of(missing[i]));
      }
    }
    std::fflush(stdout);
  }
  return status;
}

int infer(const CommandLine& line) {
  const DeviceChoice device = choose_device(line.device);
  set_impl(Impl::parse(line.impl));
  set_thread_count(line.threads);
  const std::pair<const char*, bool> of_one_pair[] = {{"--face", !line.face.empty()},
                                                      {"--voice", !line.voice.empty()},
                                                      {"--spectrogram", !line.spectrogram.empty()},
                                                      {"--dump-inputs", !line.dump_inputs.empty()},
                                                      {"--explain", !line.explain.empty()}};
  for (const auto& [option, given] : of_one_pair)
    if (given && (line.describe || !line.pairs.empty()))
      fail<UsageError>("{} goes without {}", line.describe ? "--describe" : "--pairs", option);
  if (line.describe && !line.pairs.empty()) fail<UsageError>("--describe goes without --pairs");
  if (!line.explain.empty()) check_explanation_path(line.explain);
  const std::unique_ptr<Model> model = Model::load(line.model, device.device);
  if (line.describe) {
    describe_model(*model, line.model);
    return 0;
  }
  model->network().freeze();
  if (!line.pairs.empty()) return infer_pairs(*model, line);
  if (!line.face.empty() && !model->sees_faces())
    fail<UsageError>("--face: {} is a model of voices alone", line.model);
  if (!line.voice.empty() && !model->hears_voices())
    fail<UsageError>("--voice: {} is a model of faces alone", line.model);
  if (!line.spectrogram.empty()) {
    if (line.voice.empty()) fail<UsageError>("--spectrogram needs --voice");
    write_spectrogram(*model, line.voice, line.spectrogram);
    if (line.face.empty() && line.dump_inputs.empty() && line.explain.empty() &&
        model->sees_faces() && !model->may_lack_a_stream())
      return 0;
  }
  const std::string missing = missing_stream(*model, line.face, line.voice);
  if (line.face.empty() && line.voice.empty())
    fail<UsageError>("nothing to answer: --face F, --voice W or --pairs CSV is missing");
  if (const std::string why = refusal(*model, missing); !why.empty())
    fail<UsageError>("{}: --{} {} is missing: {}", line.model, missing,
                     missing == "face" ? "F" : "W", why);
  const RawInputs raw = blank_inputs(*model, 1, !line.face.empty(), !line.voice.empty());
  read_into(*model, raw, 0, line.face, line.voice);
  if (!line.dump_inputs.empty()) dump_inputs(*model, raw, line.dump_inputs);
  if (!line.explain.empty()) write_explanation(*model, raw, line);
  const Tensor probabilities = model->probabilities(raw);
  if (line.json)
    fmt::print("{}\n", dump(answer_json(model->sees_faces() ? line.face : "",
                                        model->hears_voices() ? line.voice : "", missing,
                                        probabilities.data<float>())));
  else
    print_bars(probabilities.data<float>(), missing);
  return 0;
}

int main_body(int argc, char** argv) {
  CLI::App app{"Runs a trained two-stream model. A photo is expected to be a cropped face."};
  app.set_version_flag("--version", std::string("duet ") + DUET_VERSION);
  CommandLine line;
  app.add_option("MODEL", line.model, "model.safetensors of a run")->required();
  app.add_option("--face", line.face, "picture of a face");
  app.add_option("--voice", line.voice, "sound file");
  app.add_option("--pairs", line.pairs,
                 "CSV with the columns face and voice, paths relative to it");
  app.add_flag("--json", line.json, "one JSON object for each pair");
  app.add_option("--spectrogram", line.spectrogram,
                 "write the voice's log-mel spectrogram in dB: .npy or .png");
  app.add_option("--dump-inputs", line.dump_inputs,
                 "write what the network sees: face.npy and voice.npy, float32 (channels, S, S)");
  app.add_option("--explain", line.explain,
                 "write which parts of the inputs the answer rests on: .html or .png");
  app.add_flag("--describe", line.describe, "print what the model file says of itself");
  app.add_option("--threads", line.threads, "cores to compute on (0: all)")
      ->check(CLI::Range(0, 4096));
  app.add_option("--device", line.device, "auto, cpu, cuda or cuda:N");
  app.add_option("--impl", line.impl, "rows to run: OP=ROW,…, handwritten, library or ref");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : exit_usage;
  }
  return infer(line);
}

}  // namespace

int main(int argc, char** argv) {
  return duet::run_program("infer_mm", [&] { return main_body(argc, argv); });
}
