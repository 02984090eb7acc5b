#include "apps/reproduce/plan.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "kernels/base/error.h"

namespace duet {
namespace {

constexpr std::int64_t paper_epochs = 50;

/// The sizes of a plan's network, and how long it learns.
struct Scale {
  const char* name;
  const char* network;  ///< for people
  Settings settings;
  std::int64_t epochs;
  /// Whether runs go side by side on a core each: small networks use a core better than two.
  bool side_by_side;
};

const std::vector<Scale>& scales() {
  static const std::vector<Scale> all = {
      {"quick",
       "a quarter of the paper's widths at 48 × 48 pixels",
       {{"preset", "tiny"},
        {"widths", "16,32,64,128"},
        {"head", "256,128,64"},
        {"dropout", "0"},
        {"block_dropout", "0"}},
       6,
       true},
      {"full",
       "the paper's network at 128 × 128 pixels",
       {{"preset", "paper"}, {"dropout", "0"}, {"block_dropout", "0"}},
       paper_epochs,
       false},
  };
  return all;
}

Settings operator+(Settings base, const Settings& more) {
  for (const auto& [key, value] : more) base[key] = value;
  return base;
}

/// The paper's training: λ = 1e-4 on the convolutions, dropout 0.3 "in each layer", and nothing
/// against the classes' unequal sizes.
const Settings paper_l2 = {{"l2", "0.0001"}}, paper_no_l2 = {{"l2", "0"}},
               paper_dropout = {{"dropout", "0.3"}, {"block_dropout", "0.3"}};
const Settings paper_recipe = paper_l2 + paper_dropout;

/// What works better here (docs/results.md): no dropout, but masked spectrograms and pairs that
/// lack a stream; classes weighed; a learning rate that starts higher and falls; voices paired anew
/// in each epoch.
const Settings own_recipe = {{"class_weights", "balanced"}, {"lr", "0.001"},
                             {"lr_schedule", "cosine"},     {"pairing", "per-epoch"},
                             {"voice_masks", "2"},          {"modality_dropout", "0.5"}};

/// What a recipe for two streams has no use for when there is one.
const Settings for_one_stream = {{"modality_dropout", "0"}, {"stream_balance", "0"}};

/// How many of a plan's epochs a face has to itself before the voice joins it, where it is trained
/// first: it learns that much more slowly.
constexpr std::int64_t face_first = 5;

std::int64_t number_of(const Settings& settings, const char* key) {
  const auto found = settings.find(key);
  return found == settings.end() ? 0 : std::stoll(found->second);
}

/// The time that an epoch takes, relatively.
constexpr double both_streams = 1, one_stream = 0.4;

/// Leaves those of the names.
void select(std::vector<Experiment>& experiments, const std::vector<std::string>& names) {
  const auto is_there = [&](const std::string& name) {
    return std::any_of(experiments.begin(), experiments.end(),
                       [&](const Experiment& e) { return e.name == name; });
  };
  for (const std::string& name : names)
    if (!is_there(name)) {
      std::vector<std::string> known;
      for (const Experiment& experiment : experiments) known.push_back(experiment.name);
      fail<UsageError>("--only: there is no experiment '{}'; with these voices there are {}", name,
                       fmt::join(known, ", "));
    }
  if (!names.empty())
    std::erase_if(experiments, [&](const Experiment& e) {
      return std::find(names.begin(), names.end(), e.name) == names.end();
    });
}

}  // namespace

std::vector<std::string> plan_names() {
  std::vector<std::string> names;
  for (const Scale& scale : scales()) names.emplace_back(scale.name);
  return names;
}

Plan make_plan(const StudyOptions& options) {
  const auto scale = std::find_if(scales().begin(), scales().end(),
                                  [&](const Scale& s) { return options.plan == s.name; });
  if (scale == scales().end())
    fail<UsageError>("--plan: '{}' is not one of {}", options.plan, fmt::join(plan_names(), ", "));
  if (options.faces.empty()) fail<UsageError>("reproduce: --faces DIR is missing");
  if (options.tess.empty() && options.many.empty())
    fail<UsageError>(
        "reproduce: --voices DIR is missing (once or twice: TESS, and a corpus of many "
        "speakers)");
  Plan plan;
  plan.name = scale->name;
  for (std::int64_t i = 0; i < options.seeds; ++i) plan.seeds.push_back(options.first_seed + i);
  plan.epochs = options.epochs > 0 ? options.epochs : scale->epochs;
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  plan.jobs = options.jobs > 0 ? options.jobs : scale->side_by_side && options.on_cpu ? cores : 1;
  plan.as_in_paper = plan.name == "full" && plan.epochs == paper_epochs;
  plan.many_name = options.many_name;
  plan.threads =
      options.threads > 0 ? options.threads : std::max<std::int64_t>(1, cores / plan.jobs);
  plan.summary = fmt::format("{}, {} epochs, seeds {}", scale->network, plan.epochs,
                             fmt::join(plan.seeds, ", "));
  if (options.folds == 1) fail<UsageError>("--folds: cross-validation needs at least 2 parts");
  if (options.folds > 0)
    plan.summary += fmt::format(", each with {} folds over the speakers", options.folds);

  const Settings base = scale->settings + Settings{{"faces", options.faces},
                                                   {"epochs", std::to_string(plan.epochs)},
                                                   {"device", options.device},
                                                   {"workers", "1"}};
  const auto add = [&](const char* name, const char* title, const std::string& voices,
                       const Settings& recipe, const Settings& more = {}) {
    Experiment experiment{name, title, base + recipe + more};
    if (!voices.empty()) experiment.settings["voices"] = voices;
    const bool alone = more.contains("stream");
    if (alone) experiment.settings = experiment.settings + for_one_stream;
    const std::int64_t itself = number_of(experiment.settings, "epochs"),
                       beforehand = number_of(experiment.settings, "pretrain_face");
    experiment.epochs = itself + beforehand;
    experiment.cost = (static_cast<double>(itself) * (alone ? one_stream : both_streams) +
                       static_cast<double>(beforehand) * one_stream) /
                      static_cast<double>(experiment.epochs);
    // One actress against the other is two folds and no more.
    experiment.folds =
        options.folds > 0 && more.contains("split") && more.at("split") == "cross-actress"
            ? 2
            : options.folds;
    plan.experiments.push_back(std::move(experiment));
  };
  const Settings face = {{"stream", "face"}}, voice = {{"stream", "voice"}};
  const auto split = [](const char* mode) { return Settings{{"split", mode}}; };
  const std::string &many = options.many, &tess = options.tess;

  add("paper-face", "faces alone, the paper's training", many.empty() ? tess : many, paper_recipe,
      face);
  if (!many.empty()) {
    add("paper-voice-many", "voices of many speakers alone, the paper's training", many,
        paper_recipe, voice);
    add("paper-none", "fused, many speakers, neither L2 nor dropout", many, paper_no_l2);
    add("paper-l2", "fused, many speakers, L2", many, paper_l2);
    add("paper-dropout", "fused, many speakers, dropout", many, paper_no_l2 + paper_dropout);
    add("paper-both", "fused, many speakers, L2 and dropout (the paper's training)", many,
        paper_recipe);
    add("own", "fused, many speakers, our training", many, own_recipe);
    add("own-face", "faces alone, our training", many, own_recipe, face);
    add("own-voice", "voices of many speakers alone, our training", many, own_recipe, voice);
    const auto vary = [&](const char* name, const char* title, const Settings& change) {
      add(name, title, many, own_recipe, change);
    };
    const std::int64_t first = face_first * plan.epochs;
    vary("own-pretrained", "our training, the face's stream alone first",
         {{"pretrain_face", std::to_string(first)}});
    vary("own-long", "our training, both streams for as long as with the face's first",
         {{"epochs", std::to_string(plan.epochs + std::lround(one_stream * first))}});
    vary("own-face-long", "faces alone, our training, as long as with the face's stream first",
         {{"stream", "face"}, {"epochs", std::to_string(first + plan.epochs)}});
    vary("own-no-masks", "our training without masks", {{"voice_masks", "0"}});
    vary("own-no-absence", "our training without modality dropout", {{"modality_dropout", "0"}});
    vary("own-fixed", "our training on pairs made once", {{"pairing", "fixed"}});
    vary("own-constant", "our training with the learning rate left as it is",
         {{"lr_schedule", "constant"}});
    vary("own-speed", "our training with voices faster and slower", {{"voice_speed", "0.2"}});
    vary("own-balance", "our training, the stream ahead held back", {{"stream_balance", "1"}});
    vary("own-unweighted", "our training without class weights", {{"class_weights", "none"}});
    vary("own-no-bn", "our training without batch normalisation", {{"batch_norm", "false"}});
    add("leaky", "fused, split by clip: test speakers are known", many, own_recipe, split("leaky"));
    add("leaky-voice", "voices alone, split by clip: test speakers are known", many, own_recipe,
        voice + split("leaky"));
  }
  if (!tess.empty()) {
    add("paper-voice-tess", "TESS alone, test words unheard, the paper's training", tess,
        paper_recipe, voice);
    add("paper-tess", "fused with TESS, test words unheard, the paper's training", tess,
        paper_recipe);
    add("tess", "fused with TESS, test words unheard, our training", tess, own_recipe);
    add("tess-voice", "TESS alone, test words unheard, our training", tess, own_recipe, voice);
    add("tess-cross", "fused with TESS, test actress unheard, our training", tess, own_recipe,
        split("cross-actress"));
    add("tess-cross-voice", "TESS alone, test actress unheard, our training", tess, own_recipe,
        voice + split("cross-actress"));
  }
  select(plan.experiments, options.only);
  return plan;
}

std::filesystem::path run_path(const std::filesystem::path& study, const Experiment& experiment,
                               std::int64_t seed, std::int64_t fold) {
  const std::string name = fmt::format("{}-{}", experiment.name, seed);
  return study / "runs" / (experiment.folds > 0 ? fmt::format("{}-fold{}", name, fold) : name);
}

}  // namespace duet
