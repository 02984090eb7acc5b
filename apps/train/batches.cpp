#include "apps/train/batches.h"

#include <chrono>
#include <cmath>

#include "engine/ops/resize.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

/// Batches that may wait, read but not yet asked for.
constexpr std::int64_t ahead = 4;

/// The stream that numbers of an epoch's pair are drawn from.
Philox stream_of(const BatchPlan& plan, RandomDomain domain, std::size_t pair) {
  return random_stream(plan.seed, domain, plan.epoch << 32 | static_cast<std::uint64_t>(pair));
}

/// Mirrored or not, moved by up to a sixteenth of the side, up to 20 % brighter or darker.
ImageAugmentation draw_face_augmentation(const BatchPlan& plan, std::size_t pair,
                                         std::int64_t size) {
  const Philox p = stream_of(plan, RandomDomain::face_augmentation, pair);
  RandomSequence numbers(p.seed, p.stream);
  const auto reach = static_cast<std::uint32_t>(size / 16);
  const auto move = [&] {
    return static_cast<std::int32_t>(numbers.below(2 * reach + 1)) -
           static_cast<std::int32_t>(reach);
  };
  ImageAugmentation a;
  a.flip = numbers.uniform() < 0.5;
  a.dx = move();
  a.dy = move();
  a.factor = static_cast<float>(numbers.uniform(0.8, 1.2));
  a.offset = static_cast<float>(numbers.uniform(-0.05, 0.05));
  return a;
}

/// Shifted by up to a tenth of the clip, ±6 dB, faster or slower by up to the plan's share, and
/// every other time with noise 20 to 30 dB below. Noise lifts the floor of the whole spectrogram:
/// were it always there, a clean clip would look like nothing the network has learned.
WaveAugmentation draw_voice_augmentation(const BatchPlan& plan, std::size_t pair,
                                         std::int64_t samples) {
  const Philox p = stream_of(plan, RandomDomain::voice_augmentation, pair);
  RandomSequence numbers(p.seed, p.stream);
  WaveAugmentation a;
  a.shift = static_cast<std::int32_t>(
      std::lround(numbers.uniform(-0.1, 0.1) * static_cast<double>(samples)));
  a.gain = static_cast<float>(std::pow(10.0, numbers.uniform(-6, 6) / 20));
  if (numbers.uniform() < 0.5) a.snr_db = static_cast<float>(numbers.uniform(20, 30));
  if (plan.voice_speed > 0) a.speed = std::pow(1 + plan.voice_speed, numbers.uniform(-1, 1));
  // The noise has a stream of its own beside the one that these numbers came from.
  a.stream = p.stream | std::uint64_t{1} << 55;
  return a;
}

/// Ones (size, size), with bands of frequency and bands of time that are zero, each of a width of 0
/// to a sixth of the side: SpecAugment (Park et al. 2019) without its time warping.
void draw_voice_mask(const BatchPlan& plan, std::size_t pair, std::int64_t size,
                     std::span<float> mask) {
  const Philox p = stream_of(plan, RandomDomain::voice_masks, pair);
  RandomSequence numbers(p.seed, p.stream);
  std::fill(mask.begin(), mask.end(), 1.0f);
  for (std::int64_t i = 0; i < 2 * plan.voice_masks; ++i) {
    const std::int64_t width = numbers.below(static_cast<std::uint32_t>(size / 6 + 1));
    const std::int64_t from = numbers.below(static_cast<std::uint32_t>(size - width + 1));
    for (std::int64_t along = from; along < from + width; ++along)
      for (std::int64_t across = 0; across < size; ++across)
        mask[i % 2 == 0 ? along * size + across : across * size + along] = 0;
  }
}

/// One of a pair's streams, each as likely as the other, or none.
enum class Absent : std::uint8_t { none, face, voice };
Absent draw_absent(const BatchPlan& plan, std::size_t pair) {
  const Philox p = stream_of(plan, RandomDomain::modality_dropout, pair);
  RandomSequence numbers(p.seed, p.stream);
  if (numbers.uniform() >= plan.modality_dropout) return Absent::none;
  return numbers.uniform() < 0.5 ? Absent::face : Absent::voice;
}

}  // namespace

RawInputs raw_inputs(const Batch& batch, std::uint64_t seed, Device device) {
  const NoGradScope no_grad;
  const auto& [faces, waves, presence] = batch.raw;
  RawInputs raw{
      faces.to(device), waves.to(device), {presence.face.to(device), presence.voice.to(device)}};
  if (batch.face_slots)
    raw.faces =
        resize_pictures(batch.face_slots.to(device), batch.face_pictures.to(device), DType::f32);
  if (batch.face_augmentations)
    raw.faces = augment_images(raw.faces, batch.face_augmentations.to(device));
  if (batch.voice_augmentations)
    raw.waves = augment_waves(raw.waves, batch.voice_augmentations.to(device), seed);
  return raw;
}

Batches::Batches(Samples& samples, BatchPlan plan, int workers)
    : samples_(samples),
      plan_(std::move(plan)),
      next_to_read_(plan_.first_batch),
      next_to_give_(plan_.first_batch) {
  for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
}

Batches::~Batches() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

std::optional<Batch> Batches::next() {
  if (next_to_give_ >= plan_.batches()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return ready_.contains(next_to_give_) || failed_.contains(next_to_give_); });
  waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (const auto failure = failed_.find(next_to_give_); failure != failed_.end())
    std::rethrow_exception(failure->second);
  Batch batch = std::move(ready_.at(next_to_give_));
  ready_.erase(next_to_give_++);
  lock.unlock();
  changed_.notify_all();
  return batch;
}

void Batches::work() {
  const SerialScope alone;
  const NoGradScope no_grad;
  while (true) {
    std::int64_t index = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return stop_ || next_to_read_ >= plan_.batches() || next_to_read_ < next_to_give_ + ahead;
      });
      if (stop_ || next_to_read_ >= plan_.batches()) return;
      index = next_to_read_++;
    }
    Batch batch;
    std::exception_ptr failure;
    try {
      batch = read(index);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::scoped_lock lock(mutex_);
      if (failure)
        failed_[index] = failure;
      else
        ready_[index] = std::move(batch);
    }
    changed_.notify_all();
  }
}

Batch Batches::read(std::int64_t index) const {
  const std::int64_t begin = index * plan_.batch_size;
  const std::int64_t end = std::min<std::int64_t>(begin + plan_.batch_size, plan_.order.size());
  const std::int64_t n = end - begin, size = samples_.size(), samples = samples_.clip_samples();
  Batch batch;
  batch.labels = Tensor::empty({n}, DType::i32);
  const bool slots = plan_.faces && samples_.faces() == Samples::Faces::slots;
  const ResizePicturesParams whole{n, size};
  if (slots)
    batch.face_slots = Tensor::empty(whole.slots_shape(), DType::u8);
  else if (plan_.faces)
    batch.raw.faces = Tensor::empty(whole.y_shape());
  if (plan_.voices) batch.raw.waves = Tensor::empty({n, samples});
  if (plan_.voice_masks > 0) batch.voice_masks = Tensor::empty({n, size, size, 1});
  Presence& presence = batch.raw.presence;
  if (plan_.modality_dropout > 0) presence = {Tensor::full({n}, 1), Tensor::full({n}, 1)};
  std::vector<SlotPicture> pictures;
  std::vector<ImageAugmentation> faces;
  std::vector<WaveAugmentation> voices;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::size_t at = plan_.order[begin + i];
    const Pair& pair = (*plan_.pairs)[at];
    batch.pairs.push_back(at);
    batch.labels.data<std::int32_t>()[i] = pair.label;
    if (slots) {
      const auto slot = samples_.slot(pair.face);
      pictures.push_back(slot->picture);
      std::copy(slot->bytes.begin(), slot->bytes.end(),
                batch.face_slots.data<std::uint8_t>() + i * whole.slot_bytes());
    } else if (plan_.faces) {
      const Samples::Values pixels = samples_.face(pair.face);
      std::copy(pixels->begin(), pixels->end(),
                batch.raw.faces.data<float>() + i * size * size * 3);
    }
    if (plan_.faces && plan_.augment_faces)
      faces.push_back(draw_face_augmentation(plan_, at, size));
    if (plan_.voices) {
      const Samples::Values clip = samples_.voice(pair.voice);
      std::copy(clip->begin(), clip->end(), batch.raw.waves.data<float>() + i * samples);
      if (plan_.augment_voices)
        voices.push_back(pair.augment > 0 ? draw_voice_augmentation(plan_, at, samples)
                                          : WaveAugmentation{});
    }
    if (batch.voice_masks)
      draw_voice_mask(plan_, at, size,
                      batch.voice_masks.span<float>().subspan(i * size * size, size * size));
    if (presence.face) {
      const Absent absent = draw_absent(plan_, at);
      if (absent == Absent::face) presence.face.data<float>()[i] = 0;
      if (absent == Absent::voice) presence.voice.data<float>()[i] = 0;
    }
  }
  if (slots) batch.face_pictures = tensor_of_structs(pictures);
  if (batch.raw.faces) batch.raw.faces = batch.raw.faces.to(plan_.dtype);
  if (plan_.voices) batch.raw.waves = batch.raw.waves.to(plan_.dtype);
  if (batch.voice_masks) batch.voice_masks = batch.voice_masks.to(plan_.dtype);
  if (presence.face) presence = {presence.face.to(plan_.dtype), presence.voice.to(plan_.dtype)};
  if (!faces.empty()) batch.face_augmentations = tensor_of_structs(faces);
  if (!voices.empty()) batch.voice_augmentations = tensor_of_structs(voices);
  if (plan_.device == Device{}) {
    batch.raw = raw_inputs(batch, plan_.seed, {});
    batch.face_slots = batch.face_pictures = {};
    batch.face_augmentations = batch.voice_augmentations = {};
  }
  return batch;
}

}  // namespace duet
