#include "apps/train/run_events.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "apps/data/pairs.h"
#include "apps/model/description.h"
#include "apps/model/input_pictures.h"
#include "apps/report/confusion_picture.h"
#include "engine/atomic_file.h"

namespace duet {
namespace {

using nlohmann::json;

/// `dev_uar` → `dev/uar`; what names no group is about the training.
std::string tag_of(const std::string& key) {
  if (key == "gradient_norm") return "gradient_norm/all";
  for (const std::string group : {"gradient_norm", "train", "dev"})
    if (key.starts_with(group + "_")) return group + "/" + key.substr(group.size() + 1);
  for (const char* cost : {"seconds", "pairs_per_second", "data_wait", "device_ms_per_step"})
    if (key == cost) return "time/" + key;
  return "train/" + key;
}

/// The fractions in an object and those within, lists left out, each under its path. (Whole numbers
/// say how many there are of what was tested, not how well it went.)
void write_fractions(EventLog& log, const std::string& path, std::int64_t step,
                     const json& object) {
  for (const auto& [key, value] : object.items()) {
    const std::string tag = path + "/" + key;
    if (value.is_number_float()) log.scalar(tag, step, value);
    if (value.is_object() && key != "intervals") write_fractions(log, tag, step, value);
  }
}

void write_picture(EventLog& log, const std::string& tag, std::int64_t step, const Picture& p) {
  log.image(tag, step, p.height, p.width, encode_png(p));
}

/// Some clips of the test pairs, spread over them: a pair with each.
std::vector<Pair> some_clips(const std::vector<Pair>& pairs) {
  constexpr std::size_t most = 4;
  std::vector<Pair> clips;
  std::set<std::filesystem::path> seen;
  for (const Pair& pair : pairs)
    if (pair.split == "test" && !pair.voice.empty() && seen.insert(pair.voice).second)
      clips.push_back(pair);
  if (clips.size() <= most) return clips;
  std::vector<Pair> some;
  for (std::size_t i = 0; i < most; ++i) some.push_back(clips[i * (clips.size() - 1) / (most - 1)]);
  return some;
}

}  // namespace

void write_epoch_events(EventLog& log, std::span<const std::string> lines) {
  for (const std::string& line : lines) {
    const json epoch = json::parse(line);
    for (const auto& [key, value] : epoch.items())
      if (value.is_number() && key != "steps") log.scalar(tag_of(key), epoch.at("steps"), value);
  }
}

void write_test_events(EventLog& log, const RunFolder& folder, const Config& config) {
  std::int64_t step = 0;
  std::istringstream metrics(read_file(folder.metrics()));
  for (std::string line; std::getline(metrics, line);) step = json::parse(line).at("steps");
  const json evaluation = json::parse(read_file(folder.evaluation()));
  write_fractions(log, "test", step, evaluation);
  if (!pictures_supported()) return;
  write_picture(log, "test/confusion", step, confusion_picture(evaluation.at("confusion")));
  if (config.stream == "face") return;
  const FrontEnd front_end = front_end_of(config);
  int number = 0;
  for (const Pair& pair : some_clips(read_pairs(folder.pairs())))
    write_picture(log, fmt::format("test_clips/{}_{}", ++number, class_names[pair.label]), step,
                  voice_picture(front_end, pair.voice));
}

}  // namespace duet
