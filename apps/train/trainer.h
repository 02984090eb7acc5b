#pragma once
/// The training of one run, from its folder: begun or resumed, to the same bits.

#include <memory>
#include <optional>

#include "apps/cli/config.h"
#include "apps/data/pairs.h"
#include "apps/report/events.h"
#include "apps/report/progress.h"
#include "apps/train/batches.h"
#include "apps/train/dev_score.h"
#include "apps/train/evaluate.h"
#include "apps/train/run_folder.h"
#include "apps/train/train_step.h"
#include "engine/autotune.h"

namespace duet {

/// Asks the training to stop after the step it is in; async-signal-safe.
void request_stop();
bool stop_was_requested();

class Trainer {
 public:
  /// The run's config.toml must be there; pairs are made unless pairs.csv is there, training goes
  /// on from last.safetensors if that is there, and autotuning from autotune.jsonl.
  Trainer(const Config& config, Device device, RunFolder folder, Progress& progress);

  enum class Outcome { finished, interrupted };
  /// Trains and saves, until it is finished or asked to stop.
  Outcome run();

 private:
  /// What a checkpoint keeps beside tensors.
  struct State {
    std::int64_t epoch = 1, step_in_epoch = 0, steps = 0;
    // Of the epoch so far.
    double loss_sum = 0, penalty_sum = 0, norm_sum = 0;
    std::array<double, network_parts.size()> part_norm_sums{};
    std::int64_t seen = 0, right = 0;
    DevScore best;
    std::int64_t best_epoch = 0;
    std::vector<std::string> metrics;  ///< lines of metrics.jsonl
  };

  /// Of an epoch's steps in this process.
  struct DeviceTime {
    double milliseconds = 0;
    std::int64_t steps = 0;
    void add(double of_step) { milliseconds += of_step, ++steps; }
    double mean() const { return milliseconds / static_cast<double>(steps); }
  };

  void begin();
  void resume();
  void save_checkpoint();
  BatchPlan training_plan(const std::vector<Pair>& pairs) const;

  /// How many steps the training has, of epochs of `steps_in_epoch`, unless patience ends it.
  std::int64_t total_steps(std::int64_t steps_in_epoch) const;
  /// Of the update that is made after `updates` others.
  double learning_rate(std::int64_t updates, std::int64_t steps_in_epoch) const;
  /// The next batch, with the learning rate that it is due.
  void stage(const Batch& batch, std::int64_t steps_in_epoch);
  /// Trains the rest of the current epoch; false when asked to stop.
  bool run_epoch();
  /// Ends the step under way and counts it; returns the device's milliseconds.
  double finish_step();
  [[noreturn]] void report_nonfinite_evaluation();
  void reestimate_statistics(const std::vector<Pair>& pairs);
  void end_epoch(double seconds, double waited, const DeviceTime& device_time);
  bool out_of_patience() const;
  bool out_of_steps() const;

  Config config_;
  RunFolder folder_;
  Progress& progress_;
  std::optional<Autotune> autotune_;
  std::optional<EventLog> events_;  ///< for TensorBoard
  std::vector<Pair> pairs_;
  std::vector<Item> training_voices_;  ///< for pairing anew each epoch; else empty
  std::unique_ptr<Model> model_;
  std::unique_ptr<Samples> samples_;
  std::unique_ptr<Adam> adam_;
  std::unique_ptr<TrainStep> step_;
  State state_;
};

}  // namespace duet
