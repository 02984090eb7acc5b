#include "apps/train/trainer.h"

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "apps/train/first_look.h"
#include "apps/train/run_events.h"
#include "apps/train/run_pairs.h"
#include "engine/atomic_file.h"
#include "kernels/base/rows.h"

namespace duet {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::atomic<bool> stop_requested{false};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// "negative 3 / neutral 4 / positive 5"
std::string class_counts(const std::vector<Pair>& pairs, const std::string& split) {
  std::array<int, class_count> counts{};
  for (const Pair& pair : pairs)
    if (pair.split == split) ++counts[pair.label];
  std::string text;
  for (int c = 0; c < class_count; ++c)
    text += fmt::format("{}{} {}", c > 0 ? " / " : "", class_names[c], counts[c]);
  return text;
}

std::string used_rows() {
  std::string text;
  for (const RowTable* table : RowTable::all())
    if (const auto used = table->used(); !used.empty())
      text += fmt::format("{}{}={}", text.empty() ? "" : " ", table->op(), fmt::join(used, "+"));
  return text;
}

}  // namespace

void request_stop() { stop_requested = true; }
bool stop_was_requested() { return stop_requested; }

Trainer::Trainer(const Config& config, Device device, RunFolder folder, Progress& progress)
    : config_(config), folder_(std::move(folder)), progress_(progress) {
  const Precision precision = precision_of(config_, device);
  if (config_.autotune) autotune_.emplace(folder_.autotune());
  RunPairs run = run_pairs(config_, folder_, progress_);
  pairs_ = std::move(run.pairs);
  training_voices_ = std::move(run.training_voices);
  for (const char* split : {"train", "dev", "test"})
    progress_.line(fmt::format("{:5} {} pairs: {}", split, pairs_of_split(pairs_, split).size(),
                               class_counts(pairs_, split)));

  model_ = std::make_unique<Model>(config_, device, precision, !exists(folder_.last()));
  model_->description.split_fingerprint = split_fingerprint(pairs_);
  samples_ = make_samples(*model_);

  std::int64_t count = 0;
  for (const Parameter& p : model_->network().parameters()) count += p.tensor.numel();
  progress_.line(fmt::format(
      "network {}: {} parameters, input {}x{}, {}", config_.preset, count, config_.size,
      config_.size,
      config_.stream == "both" ? "fusion " + config_.fusion : config_.stream + " alone"));

  Tensor class_weights;
  if (config_.class_weights == "balanced") {
    std::array<double, class_count> counts{};
    for (std::size_t i : pairs_of_split(pairs_, "train")) ++counts[pairs_[i].label];
    std::vector<float> weights;
    for (double n : counts)
      weights.push_back(static_cast<float>(
          static_cast<double>(pairs_of_split(pairs_, "train").size()) / (class_count * n)));
    class_weights = Tensor::from(weights, {class_count}, device).to(model_->dtype());
  }
  adam_ = make_adam(*model_);
  step_ = std::make_unique<TrainStep>(*model_, *adam_, class_weights);
}

/// What a run starts from: inputs' statistics, and streams that were trained before.
void Trainer::begin() {
  model_->description.normalization = measure_normalization(*samples_, *model_, pairs_);
  if (config_.pretrain_face == 0 && config_.pretrain_voice == 0) return;
  std::map<std::string, Tensor> state = model_->network().state();
  for (const auto& [stream, epochs] :
       {std::pair("face", config_.pretrain_face), std::pair("voice", config_.pretrain_voice)}) {
    if (epochs == 0) continue;
    const std::filesystem::path path = RunFolder{folder_.pretrained(stream)}.model();
    for (const auto& [name, tensor] : read_safetensors(path).tensors)
      if (name.starts_with(fmt::format("{}.", stream))) state[name] = tensor;
  }
  model_->network().load_state(state, folder_.path.string());
}

void Trainer::resume() {
  const Safetensors file = read_safetensors(folder_.last());
  ModelDescription description = from_metadata(file.metadata, folder_.last().string());
  if (description.split_fingerprint != model_->description.split_fingerprint)
    fail<DataError>(
        "{}: was trained on other pairs than {} now lists; restore that file or start a new run",
        folder_.last().string(), folder_.pairs().string());
  model_->description.normalization = description.normalization;
  model_->network().load_state(file.tensors, folder_.last().string());
  for (auto& [name, tensor] : adam_->state()) tensor.copy_from(file.at("optimizer." + name));
  try {
    const json j = json::parse(file.metadata.at("duet.training"));
    state_.epoch = j.at("epoch");
    state_.step_in_epoch = j.at("step_in_epoch");
    state_.steps = j.at("steps");
    state_.loss_sum = j.at("loss_sum");
    state_.penalty_sum = j.at("penalty_sum");
    state_.norm_sum = j.at("norm_sum");
    state_.seen = j.at("seen");
    // Checkpoints of older versions lack it, which at an epoch's end does no harm.
    if (state_.seen > 0 || j.contains("part_norm_sums"))
      state_.part_norm_sums = j.at("part_norm_sums");
    state_.right = j.at("right");
    state_.best.uar = j.at("best_uar");
    state_.best.loss = j.at("best_loss");
    state_.best_epoch = j.at("best_epoch");
    state_.metrics = j.at("metrics").get<std::vector<std::string>>();
    model_->random().masks_drawn = j.at("masks_drawn");
    if (j.contains("stream_balance")) step_->balance().set_state(j.at("stream_balance"));
    adam_->set_steps(j.at("adam_steps"));
    if (autotune_) autotune_->take(file.metadata.at("duet.autotune"), folder_.last().string());
  } catch (const std::exception& e) {
    fail<DataError>("{}: its training state is malformed ({})", folder_.last().string(), e.what());
  }
  // The log may hold an epoch that ended after this checkpoint was written.
  std::string lines;
  for (const std::string& line : state_.metrics) lines += line + "\n";
  write_file_atomically(folder_.metrics(), lines);
  progress_.line(fmt::format("resumed at epoch {}, step {}", state_.epoch, state_.step_in_epoch));
}

void Trainer::save_checkpoint() {
  std::map<std::string, Tensor> tensors;
  for (auto& [name, tensor] : adam_->state()) tensors["optimizer." + name] = tensor.to(Device{});
  const json j = {{"epoch", state_.epoch},
                  {"step_in_epoch", state_.step_in_epoch},
                  {"steps", state_.steps},
                  {"loss_sum", state_.loss_sum},
                  {"penalty_sum", state_.penalty_sum},
                  {"norm_sum", state_.norm_sum},
                  {"part_norm_sums", state_.part_norm_sums},
                  {"seen", state_.seen},
                  {"right", state_.right},
                  {"best_uar", state_.best.uar},
                  {"best_loss", state_.best.loss},
                  {"best_epoch", state_.best_epoch},
                  {"metrics", state_.metrics},
                  {"masks_drawn", model_->random().masks_drawn},
                  {"stream_balance", step_->balance().state()},
                  {"adam_steps", adam_->steps()}};
  std::map<std::string, std::string> metadata = {{"duet.training", j.dump()}};
  if (autotune_) metadata["duet.autotune"] = autotune_->text();
  model_->save(folder_.last(), std::move(tensors), std::move(metadata));
}

BatchPlan Trainer::training_plan(const std::vector<Pair>& pairs) const {
  BatchPlan plan{&pairs, pairs_of_split(pairs, "train")};
  plan.batch_size = config_.batch_size;
  plan.faces = model_->sees_faces();
  plan.voices = model_->hears_voices();
  plan.augment_faces = config_.augment_faces;
  plan.augment_voices = config_.augment_voices;
  plan.voice_speed = config_.voice_speed;
  plan.voice_masks = model_->hears_voices() ? config_.voice_masks : 0;
  plan.modality_dropout = config_.modality_dropout;
  plan.device = model_->device();
  plan.dtype = model_->dtype();
  plan.seed = static_cast<std::uint64_t>(config_.seed);
  plan.epoch = static_cast<std::uint64_t>(state_.epoch);
  return plan;
}

Trainer::Outcome Trainer::run() {
  std::vector<Pair> files = pairs_;
  for (Pair& pair : training_pairs(training_voices_)) files.push_back(std::move(pair));
  decode_all(*samples_, *model_, files, static_cast<int>(config_.workers), stop_requested);
  if (stop_requested) return Outcome::interrupted;
  if (parse_split_mode(config_.split) != SplitMode::leaky) check_copies(files);
  for (const std::string& warning : samples_->take_warnings())
    progress_.line("warning: " + warning);
  if (exists(folder_.last()))
    resume();
  else
    begin();
  if (config_.tensorboard) {
    events_.emplace(folder_.path);
    write_epoch_events(*events_, state_.metrics);
  }
  const auto goes_on = [this] {
    return state_.epoch <= config_.epochs && !out_of_patience() && !out_of_steps();
  };
  if (!goes_on())
    progress_.line(fmt::format("trained to its end already, {} epochs; a greater {} goes on",
                               state_.epoch - 1,
                               out_of_steps()      ? "--max-steps"
                               : out_of_patience() ? "--patience"
                                                   : "--epochs"));
  // What was said of the model so far will not be true of the next.
  if (goes_on())
    for (const std::filesystem::path& file :
         {folder_.evaluation(), folder_.predictions(), folder_.report()})
      remove(file);
  while (goes_on()) {
    const bool completed = run_epoch();
    save_checkpoint();
    if (!completed) return Outcome::interrupted;
  }
  return Outcome::finished;
}

bool Trainer::out_of_patience() const {
  return config_.patience > 0 && state_.epoch - 1 - state_.best_epoch >= config_.patience;
}

bool Trainer::out_of_steps() const {
  return config_.max_steps > 0 && state_.steps >= config_.max_steps;
}

std::int64_t Trainer::total_steps(std::int64_t steps_in_epoch) const {
  const std::int64_t all = config_.epochs * steps_in_epoch;
  return config_.max_steps > 0 ? std::min(all, config_.max_steps) : all;
}

double Trainer::learning_rate(std::int64_t updates, std::int64_t steps_in_epoch) const {
  double lr = config_.lr;
  if (updates < config_.warmup_steps)
    lr *= static_cast<double>(updates + 1) / static_cast<double>(config_.warmup_steps);
  if (config_.lr_schedule == "cosine") {
    const double done =
        static_cast<double>(updates) / static_cast<double>(total_steps(steps_in_epoch));
    lr *= (1 + std::cos(std::numbers::pi * done)) / 2;
  }
  return lr;
}

void Trainer::stage(const Batch& batch, std::int64_t steps_in_epoch) {
  adam_->set_lr(learning_rate(adam_->steps(), steps_in_epoch));
  step_->stage(batch);
}

bool Trainer::run_epoch() {
  const auto epoch = static_cast<std::uint64_t>(state_.epoch);
  std::vector<Pair> drawn;
  const bool draw = !training_voices_.empty();
  if (draw)
    drawn =
        pair_anew(pairs_, static_cast<std::uint64_t>(config_.seed), epoch - 1, training_voices_);
  const std::vector<Pair>& pairs = draw ? drawn : pairs_;

  BatchPlan plan = training_plan(pairs);
  const Philox order = random_stream(plan.seed, RandomDomain::batch_order, epoch);
  RandomSequence(order.seed, order.stream).shuffle(plan.order);
  plan.first_batch = state_.step_in_epoch;
  const std::int64_t steps = plan.batches(), first_step = state_.step_in_epoch;
  const auto total = static_cast<double>(plan.order.size());
  Batches batches(*samples_, std::move(plan), static_cast<int>(config_.workers));

  const Clock::time_point start = Clock::now();
  const std::int64_t seen_before = state_.seen;
  DeviceTime device_time;
  std::optional<Batch> batch = batches.next();
  if (batch) stage(*batch, steps);
  while (batch) {
    step_->start();
    // The next batch travels while the device computes.
    const bool last = config_.max_steps > 0 && state_.steps + 1 >= config_.max_steps;
    batch = last ? std::nullopt : batches.next();
    if (batch) stage(*batch, steps);
    device_time.add(finish_step());
    const double seconds = seconds_since(start);
    const double done = static_cast<double>(state_.seen - seen_before) / seconds;
    const auto steps_left = static_cast<double>(total_steps(steps) - state_.steps);
    progress_.step({state_.epoch, config_.epochs, state_.step_in_epoch, steps,
                    state_.loss_sum / static_cast<double>(state_.seen),
                    static_cast<double>(state_.right) / static_cast<double>(state_.seen), done,
                    batches.seconds_waited() / seconds,
                    steps_left * (total / static_cast<double>(steps)) / done});
    if (stop_requested) return false;
    if (out_of_steps()) break;
    if (config_.checkpoint_every > 0 && state_.steps % config_.checkpoint_every == 0 &&
        state_.step_in_epoch < steps)
      save_checkpoint();
  }
  if (state_.step_in_epoch > first_step || state_.seen > 0) {
    reestimate_statistics(pairs);
    end_epoch(seconds_since(start), batches.seconds_waited(), device_time);
  }
  return !stop_requested;
}

double Trainer::finish_step() {
  const TrainStep::Result result = step_->finish();
  if (!std::isfinite(result.loss) || !std::isfinite(result.norm))
    step_->report_nonfinite(fmt::format("training stopped at epoch {}, step {}: ", state_.epoch,
                                        state_.step_in_epoch + 1));
  const double penalty = config_.l2 * (config_.l2_form == "half" ? 0.5 : 1.0) * result.penalty;
  const auto n = static_cast<double>(result.pairs);
  state_.loss_sum += (result.loss + penalty) * n;
  state_.penalty_sum += penalty * n;
  state_.norm_sum += result.norm * n;
  for (std::size_t i = 0; i < network_parts.size(); ++i)
    state_.part_norm_sums[i] += result.part_norms[i] * n;
  state_.seen += result.pairs;
  state_.right += result.right;
  ++state_.step_in_epoch;
  ++state_.steps;
  return result.milliseconds;
}

/// Names the tensor, where the epoch's last step left what only the evaluation came upon.
void Trainer::report_nonfinite_evaluation() {
  const std::string where =
      fmt::format("training stopped at the evaluation of epoch {}: ", state_.epoch);
  try {
    const FiniteCheckScope finite;
    evaluate(*model_, *samples_, pairs_, pairs_of_split(pairs_, "dev"),
             static_cast<int>(config_.workers));
  } catch (const Error& e) {
    fail("{}{}{}", where, e.what(), nonfinite_remedy);
  }
  fail("{}the loss is NaN or infinite, though each tensor is finite{}", where, nonfinite_remedy);
}

/// Batch norm's running statistics, measured anew with dropout off: dropout changes the variance
/// that the next batch norm sees, so that those which followed the training do not fit the
/// evaluation (Li et al. 2018).
void Trainer::reestimate_statistics(const std::vector<Pair>& pairs) {
  if (!config_.bn_reestimate || !config_.batch_norm) return;
  BatchPlan plan = training_plan(pairs);
  plan.augment_faces = false;
  plan.voice_masks = 0;
  plan.modality_dropout = 0;
  const Philox order = random_stream(plan.seed, RandomDomain::batch_order, 0);
  RandomSequence(order.seed, order.stream).shuffle(plan.order);
  // Whole batches only, unless there is but one.
  const auto whole = static_cast<std::int64_t>(plan.order.size()) / plan.batch_size;
  if (whole > 0)
    plan.order.resize(std::min(whole, config_.bn_reestimate_batches) * plan.batch_size);
  const NoGradScope no_grad;
  model_->network().set_mode(Mode::estimation);
  Batches batches(*samples_, std::move(plan), static_cast<int>(config_.workers));
  while (const std::optional<Batch> batch = batches.next()) {
    const auto seed = static_cast<std::uint64_t>(config_.seed);
    model_->forward(model_->prepare(raw_inputs(*batch, seed, model_->device())));
  }
  model_->network().set_mode(Mode::evaluation);
}

void Trainer::end_epoch(double seconds, double waited, const DeviceTime& device_time) {
  const Answers answers = evaluate(*model_, *samples_, pairs_, pairs_of_split(pairs_, "dev"),
                                   static_cast<int>(config_.workers));
  const Metrics dev = metrics_of(answers);
  const double dev_loss = cross_entropy(answers);
  if (!std::isfinite(dev_loss)) report_nonfinite_evaluation();
  const auto seen = static_cast<double>(state_.seen);
  nlohmann::ordered_json j;
  j["epoch"] = state_.epoch;
  j["steps"] = state_.steps;
  j["loss"] = state_.loss_sum / seen;
  j["l2_penalty"] = state_.penalty_sum / seen;
  j["train_accuracy"] = static_cast<double>(state_.right) / seen;
  j["gradient_norm"] = state_.norm_sum / seen;
  const bool has_part[] = {model_->sees_faces(), model_->hears_voices(), true};
  for (std::size_t i = 0; i < network_parts.size(); ++i)
    if (has_part[i])
      j[fmt::format("gradient_norm_{}", network_parts[i])] = state_.part_norm_sums[i] / seen;
  j["dev_loss"] = dev_loss;
  j["dev_accuracy"] = dev.accuracy();
  j["dev_uar"] = dev.uar();
  j["lr"] = adam_->lr();
  if (config_.stream_balance > 0) {
    j["rate_face"] = step_->balance().face_rate(false);
    j["rate_voice"] = step_->balance().voice_rate(false);
  }
  j["seconds"] = seconds;
  j["pairs_per_second"] = seen / seconds;
  j["data_wait"] = waited / seconds;
  const bool timed = model_->device() != Device{} && device_time.steps > 0;
  if (timed) j["device_ms_per_step"] = device_time.mean();
  state_.metrics.push_back(j.dump());

  const DevScore score{dev.uar(), dev_loss};
  const bool better = score.better_than(state_.best);
  if (better) {
    state_.best = score;
    state_.best_epoch = state_.epoch;
    model_->save(folder_.model());
  }
  if (config_.keep > 0) {
    model_->save(folder_.epoch_model(state_.epoch));
    std::filesystem::remove(folder_.epoch_model(state_.epoch - config_.keep));
  }
  std::string lines;
  for (const std::string& line : state_.metrics) lines += line + "\n";
  write_file_atomically(folder_.metrics(), lines);
  if (events_) write_epoch_events(*events_, std::span(state_.metrics).last(1));
  progress_.line(fmt::format(
      "epoch {}/{}  loss {:.4f}  acc {:.3f}  dev loss {:.4f}  dev acc {:.3f}  dev UAR {:.3f}{}  "
      "{:.1f} pairs/s  data wait {:.1f} %  {}{}",
      state_.epoch, config_.epochs, state_.loss_sum / seen,
      static_cast<double>(state_.right) / seen, dev_loss, dev.accuracy(), dev.uar(),
      better ? " *" : "  ", seen / seconds, 100 * waited / seconds,
      timed ? fmt::format("device {:.1f} ms/step  ", device_time.mean()) : "",
      clock_text(seconds)));
  if (state_.epoch == 1) {
    progress_.line("rows: " + used_rows());
    if (autotune_)
      progress_.line(fmt::format("autotune: measured {} calls in {:.1f} s, choices are in {}",
                                 autotune_->measured(), autotune_->seconds(),
                                 folder_.autotune().string()));
    const MemoryStatistics memory = memory_statistics(model_->device());
    progress_.line(fmt::format("memory on {}: at most {} MiB in use, {} MiB taken from the system",
                               to_string(model_->device().type), memory.peak >> 20,
                               memory.reserved >> 20));
  }
  ++state_.epoch;
  state_.step_in_epoch = 0;
  state_.loss_sum = state_.penalty_sum = state_.norm_sum = 0;
  state_.part_norm_sums = {};
  state_.seen = state_.right = 0;
}

}  // namespace duet
