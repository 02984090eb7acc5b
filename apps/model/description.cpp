#include "apps/model/description.h"

#include <nlohmann/json.hpp>

#include "apps/data/label.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"

namespace duet {

using nlohmann::json;

namespace {

/// UsageError unless a row on the device's kind multiplies in `precision`. Rows that take f32
/// anyhow do so also where TF32 is permitted.
template <class Row>
void require_rows(const RowList<Row>& rows, typename Row::Params call, Precision precision,
                  Device device) {
  if (precision == Precision::f32 || precision == Precision::f64) return;
  std::string able;
  for (const Row& row : rows.rows()) {
    if (row.kind != RowKind::handwritten) continue;
    call.tf32 = false;
    const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
    if (precision == Precision::tf32 && row.supports(call, dtype)) continue;
    call.tf32 = true;
    if (!row.supports(call, dtype)) continue;
    if (row.device == device.type) return;
    able += fmt::format("{}{}", able.empty() ? "" : ", ", row.name);
  }
  fail<UsageError>("--precision {}: no row of {} on {} multiplies so; {} does",
                   to_string(precision), rows.op(), to_string(device.type), able);
}

}  // namespace

Streams streams_of(const Config& config) {
  if (config.stream == "face") return Streams::face;
  if (config.stream == "voice") return Streams::voice;
  return Streams::both;
}

FrontEnd front_end_of(const Config& config) {
  FrontEnd front_end;
  front_end.sample_rate = config.sample_rate;
  front_end.seconds = config.seconds;
  front_end.n_fft = config.n_fft;
  front_end.hop_length = config.hop_length;
  front_end.n_mels = config.n_mels;
  front_end.fmin = config.fmin;
  front_end.fmax = config.fmax;
  front_end.top_db = config.top_db;
  front_end.style =
      config.spectrogram_style == "rgb" ? SpectrogramStyle::rgb : SpectrogramStyle::log_mel;
  return front_end;
}

TwoStreamOptions network_of(const Config& config) {
  TwoStreamOptions network;
  network.streams = streams_of(config);
  network.fusion = config.fusion;
  network.size = config.size;
  network.voice_channels = front_end_of(config).channels();
  network.classes = class_count;
  std::copy(config.widths.begin(), config.widths.end(), network.stream.widths.begin());
  network.stream.batch_norm = config.batch_norm;
  network.stream.batch_norm_momentum = config.bn_momentum;
  network.stream.batch_norm_eps = config.bn_eps;
  network.stream.dropout = config.block_dropout;
  network.head = config.head;
  network.head_dropout = config.dropout;
  return network;
}

Precision precision_of(const Config& config, Device device) {
  for (const Precision precision :
       {Precision::f32, Precision::f64, Precision::tf32, Precision::bf16})
    if (config.precision == to_string(precision)) {
      require_rows(conv2d_rows(), {1, 8, 8, 8, 8, 3, 3}, precision, device);
      require_rows(linear_rows(), {8, 8, 8}, precision, device);
      return precision;
    }
  fail<UsageError>("--precision: '{}' is not known", config.precision);
}

std::map<std::string, std::string> to_metadata(const ModelDescription& d) {
  const Normalization& n = d.normalization;
  const json normalization = {{"face", {{"mean", n.face_mean}, {"std", n.face_std}}},
                              {"voice", {{"mean", n.voice_mean}, {"std", n.voice_std}}}};
  const FrontEnd f = front_end_of(d.config);
  const json front_end = {{"sample_rate", f.sample_rate},
                          {"seconds", f.seconds},
                          {"fit", "centre crop, zero pad on both sides"},
                          {"n_fft", f.n_fft},
                          {"hop_length", f.hop_length},
                          {"window", "hann, periodic"},
                          {"center", true},
                          {"pad_mode", "constant"},
                          {"power", 2.0},
                          {"n_mels", f.n_mels},
                          {"fmin", f.fmin},
                          {"fmax", f.fmax},
                          {"mel_scale", "slaney"},
                          {"mel_norm", "slaney"},
                          {"ref", "max"},
                          {"amin", 1e-10},
                          {"top_db", f.top_db},
                          {"scale", fmt::format("dB/{} + 1", f.top_db)},
                          {"resize", "bilinear, antialiased, half-pixel centres"},
                          {"style", d.config.spectrogram_style}};
  return {{"duet.version", DUET_VERSION},
          {"duet.config", to_toml(d.config)},
          {"duet.labels", json(class_names).dump()},
          {"duet.front_end", front_end.dump()},
          {"duet.normalization", normalization.dump()},
          {"duet.split", d.split_fingerprint},
          {"format", "pt"}};
}

ModelDescription from_metadata(const std::map<std::string, std::string>& metadata,
                               const std::string& source) {
  const auto entry = [&](const char* key) -> const std::string& {
    const auto found = metadata.find(key);
    if (found == metadata.end())
      fail<DataError>("{}: no Duet model: its metadata lacks '{}'", source, key);
    return found->second;
  };
  ModelDescription d;
  d.version = entry("duet.version");
  d.split_fingerprint = entry("duet.split");
  try {
    d.config = resolve(read_toml(entry("duet.config"), source), {});
    const json normalization = json::parse(entry("duet.normalization"));
    const auto values = [&](const char* stream, const char* what) {
      return normalization.at(stream).at(what).get<std::vector<double>>();
    };
    d.normalization = {values("face", "mean"), values("face", "std"), values("voice", "mean"),
                       values("voice", "std")};
    if (json::parse(entry("duet.labels")) != json(class_names))
      fail<DataError>("{}: its classes are {}, this program's are {}", source, entry("duet.labels"),
                      json(class_names).dump());
  } catch (const json::exception& e) {
    fail<DataError>("{}: its metadata is malformed ({})", source, e.what());
  } catch (const UsageError& e) {
    fail<DataError>("{}: written by Duet {}, this is {}: {}", source, d.version, DUET_VERSION,
                    e.what());
  }
  return d;
}

}  // namespace duet
