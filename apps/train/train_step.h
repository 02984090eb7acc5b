#pragma once
/// One step of the training on a device: augmentation, front end, forward, loss, backward, norm,
/// penalty and update. One copy brings the batch to the device while the step before still runs,
/// and one copy brings a few numbers back; nothing else crosses.
///
/// With a graph, the whole step is captured once and then launched by one call, to the same bits.
/// What changes from step to step lies in the device's memory beside the batch, where the kernels
/// of either way look it up: how many dropout masks were drawn, and Adam's rates for each part. The
/// graph serves batches of the largest size so far; a smaller last one of an epoch takes its step
/// without. The first step of a size also goes without, so that no library is being set up and the
/// pool is filled when the next one is captured.

#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "apps/train/batches.h"
#include "apps/train/stream_balance.h"
#include "engine/adam.h"
#include "engine/graph.h"
#include "engine/staging.h"

namespace duet {

/// Ends a message about a NaN.
inline constexpr const char* nonfinite_remedy = "; try a smaller --lr, or look at the data";

/// The parts of a network whose gradients have norms of their own: each stream, and what joins them
/// (fusion and head).
inline constexpr std::array<const char*, 3> network_parts = {"face", "voice", "joint"};

/// The optimiser of a model's parameters, as its configuration wants it.
std::unique_ptr<Adam> make_adam(const Model& model);

class TrainStep {
 public:
  /// class_weights: (classes), or undefined for none, on the model's device, as the model's and the
  /// optimiser's tensors are; both outlive this object.
  TrainStep(Model& model, Adam& adam, Tensor class_weights);

  /// Sends a batch on its way: the next that `start` takes. The masks drawn and updates made so far
  /// are those that precede it.
  void stage(const Batch& batch);
  /// Queues the step of the staged batch.
  void start();

  struct Result {
    double loss;     ///< mean cross-entropy
    double penalty;  ///< Σw² of the penalised tensors
    double norm;     ///< of the gradient; where it is not finite, no update was made
    /// Of its pieces in the order of `network_parts`; 0 where the network lacks the part.
    std::array<double, network_parts.size()> part_norms;
    std::int64_t pairs, right;
    double milliseconds;  ///< of the device's time; 0 on the CPU
  };
  /// Waits for the step that was started.
  Result finish();

  /// What it does to the streams' learning rates is part of the training's state.
  StreamBalance& balance() { return balance_; }

  /// Calls `passed` whenever a part of a step that runs without a graph has been queued: "inputs",
  /// "forward", "backward", "norms", "update". On the CPU, where work is done at once, that is when
  /// it is done.
  void watch(std::function<void(const char* phase)> passed) { passed_ = std::move(passed); }

  /// Throws Error: names the first tensor with a NaN or infinity along the way of the step that
  /// `finish` ended: inputs, parameters, the results of the forward pass in order, then gradients
  /// from the loss backwards.
  [[noreturn]] void report_nonfinite(const std::string& where);

 private:
  /// What a step that was queued, or captured, leaves.
  struct Queued {
    Inputs inputs;
    Tensor labels;
    std::vector<Tensor> gradients;  ///< of the network's parameters, in order
    Readback results;               ///< loss, logits, Σw², Σ grad² of each part
  };
  Queued queue(const std::vector<Tensor>& staged);
  Tensor loss_of(const Tensor& logits, const Tensor& labels) const;

  Model& model_;
  Adam& adam_;
  std::vector<Tensor> penalized_;  ///< the tensors of the L2 penalty
  Tensor class_weights_;
  std::function<void(const char* phase)> passed_ = [](const char*) {};
  std::vector<Parameter> parameters_;
  StreamBalance balance_;
  Staging staging_;
  std::vector<std::int32_t> staged_labels_, labels_;
  Presence staged_presence_, presence_;
  bool under_way_ = false;            ///< a step was started and has not been finished
  std::optional<Event> begin_, end_;  ///< none on the CPU
  std::uint64_t masks_before_ = 0;
  std::optional<Queued> queued_;

  // For batches of `size_` pairs.
  std::int64_t size_ = 0;
  std::unique_ptr<Graph> graph_;
  std::optional<Queued> captured_;
  std::uint64_t captured_masks_ = 0;
  bool replayed_ = false;  ///< whether the last step was the graph's
};

}  // namespace duet
