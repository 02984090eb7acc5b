#pragma once
/// Batches of pairs, decoded and augmented ahead by worker threads, handed out in order.

#include <condition_variable>
#include <map>
#include <optional>
#include <thread>

#include "apps/data/pairs.h"
#include "apps/model/model.h"
#include "apps/train/samples.h"
#include "engine/ops/augment.h"

namespace duet {

struct Batch {
  /// Without `faces` where they have yet to be resized.
  RawInputs raw;
  /// Faces and what is in their slots, as engine/ops/resize.h has it; undefined where they are
  /// resized.
  Tensor face_slots, face_pictures;
  /// How `raw` is to be augmented, as engine/ops/augment.h has it; undefined where it is not, or no
  /// longer.
  Tensor face_augmentations, voice_augmentations;
  /// (N, S, S, 1), of the waves' type: what the voice's image is multiplied by after
  /// standardisation; undefined where nothing is hidden.
  Tensor voice_masks;
  Tensor labels;                   ///< (N) i32
  std::vector<std::size_t> pairs;  ///< indices into the plan's pairs
};

/// What is to be read.
struct BatchPlan {
  const std::vector<Pair>* pairs;
  std::vector<std::size_t> order;  ///< indices into `pairs`
  std::int64_t batch_size = 32;
  std::int64_t first_batch = 0;  ///< batches before it are passed over
  bool faces = true, voices = true;
  bool augment_faces = false, augment_voices = false;
  /// An augmented clip is faster or slower by up to this share.
  double voice_speed = 0;
  /// Bands of frequency, and as many of time, hidden in each spectrogram.
  std::int64_t voice_masks = 0;
  /// Share of the pairs that lack one of their two streams.
  double modality_dropout = 0;
  /// Of the faces and waves.
  DType dtype = DType::f32;
  /// Where the network runs: the CPU resizes and augments ahead, any other device at the step.
  Device device;
  /// Augmentation, masks and absent streams are drawn under the seed, for each epoch and pair anew.
  std::uint64_t seed = 0, epoch = 0;

  std::int64_t batches() const {
    return (static_cast<std::int64_t>(order.size()) + batch_size - 1) / batch_size;
  }
};

/// The batch's inputs on a device, pictures resized there and all augmented as the batch says.
RawInputs raw_inputs(const Batch& batch, std::uint64_t seed, Device device);

class Batches {
 public:
  Batches(Samples& samples, BatchPlan plan, int workers);
  ~Batches();
  Batches(const Batches&) = delete;
  Batches& operator=(const Batches&) = delete;

  /// The next batch, or nothing after the last. What a worker threw is thrown here.
  std::optional<Batch> next();
  /// How long `next` has waited for workers.
  double seconds_waited() const { return waited_; }

 private:
  void work();
  Batch read(std::int64_t index) const;

  Samples& samples_;
  const BatchPlan plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t next_to_read_, next_to_give_;
  std::map<std::int64_t, Batch> ready_;
  std::map<std::int64_t, std::exception_ptr> failed_;
  bool stop_ = false;
  double waited_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace duet
