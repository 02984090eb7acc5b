#pragma once
/// What `train_mm reproduce` runs: the paper's experiments, and those that say how to read them.

#include <algorithm>
#include <filesystem>

#include "apps/cli/config.h"

namespace duet {

struct StudyOptions {
  std::string plan = "quick";
  std::string faces;
  /// A corpus of two speakers (TESS) and one of many (CREMA-D, RAVDESS); either may be missing.
  std::string tess, many;
  /// What the latter is called.
  std::string many_name;
  /// Whether runs compute on the CPU: then small ones go side by side.
  bool on_cpu = true;
  /// How many, and the first of them.
  std::int64_t seeds = 3, first_seed = 1;
  /// Each seed's runs: one for each part of a cross-validation over speakers, or a single one (0).
  std::int64_t folds = 0;
  /// The experiments to run, by name; empty: all.
  std::vector<std::string> only;
  /// 0: as many as the plan has.
  std::int64_t epochs = 0;
  /// Runs at a time and cores of each; 0: what the plan and the machine suggest.
  std::int64_t jobs = 0, threads = 0;
  std::string device = "auto";
};

/// A training with a recipe, done for each seed: once, or for each of its folds.
struct Experiment {
  std::string name;   ///< of its folders
  std::string title;  ///< for people
  Settings settings;
  /// All that a run takes, each stream alone beforehand included.
  std::int64_t epochs = 0;
  /// The relative time that one of them takes, on average.
  double cost = 1;
  std::int64_t folds = 0;

  /// At least one.
  std::int64_t runs_of_seed() const { return std::max<std::int64_t>(1, folds); }
};

/// Runs of some epochs as the plan has them: sizes, epochs, and how many at a time.
struct Plan {
  std::string name;
  std::string summary;  ///< one sentence: network, epochs, seeds
  /// Whether network and epochs are the paper's.
  bool as_in_paper = false;
  /// The corpus of many speakers.
  std::string many_name;
  std::vector<std::int64_t> seeds;
  std::int64_t epochs = 0, jobs = 1, threads = 0;
  std::vector<Experiment> experiments;
};

/// UsageError for an unknown plan or experiment, and for no corpus to run it on.
Plan make_plan(const StudyOptions& options);

std::vector<std::string> plan_names();

/// Where a run of an experiment is: that of a fold, where it has some.
std::filesystem::path run_path(const std::filesystem::path& study, const Experiment& experiment,
                               std::int64_t seed, std::int64_t fold = 0);

}  // namespace duet
