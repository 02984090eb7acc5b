#include "apps/train/trainer.h"

#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "apps/data/demo.h"
#include "engine/atomic_file.h"
#include "engine/ops/softmax_cross_entropy.h"
#include "kernels/base/parallel.h"
#include "kernels/base/rows.h"

namespace duet {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

std::atomic<bool> stop_requested{false};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Where the demo's corpora of a run are, drawn now if they are not there.
void ensure_demo(const RunFolder& folder, std::uint64_t seed) {
  const std::filesystem::path faces = folder.demo() / "faces", voices = folder.demo() / "voices";
  if (exists(faces) && exists(voices)) return;
  remove_all(folder.demo());
  DemoOptions options;
  options.seed = seed;
  write_demo(folder.demo(), options);
}

SplitOptions split_options(const Config& config) {
  SplitOptions options;
  options.mode = parse_split_mode(config.split);
  options.seed = static_cast<std::uint64_t>(config.seed);
  options.folds = static_cast<int>(config.folds);
  options.fold = static_cast<int>(config.fold);
  options.strict_identity = config.strict_identity;
  return options;
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

std::filesystem::path RunFolder::epoch_model(std::int64_t epoch) const {
  return path / fmt::format("epoch-{:04}.safetensors", epoch);
}

Trainer::Trainer(const Config& config, RunFolder folder, Progress& progress)
    : config_(config), folder_(std::move(folder)), progress_(progress) {
  if (config_.demo) {
    ensure_demo(folder_, static_cast<std::uint64_t>(config_.seed));
    config_.faces = (folder_.demo() / "faces").string();
    config_.voices = (folder_.demo() / "voices").string();
  }
  if (!exists(folder_.pairs())) make_pairs_file();
  pairs_ = read_pairs(folder_.pairs());
  for (const Pair& pair : pairs_)
    if (pair.label == no_label || pair.split.empty())
      fail<DataError>("{}: a training run needs the label and split of every pair",
                      folder_.pairs().string());
  for (const char* split : {"train", "dev", "test"})
    progress_.line(fmt::format("{:5} {} pairs: {}", split, pairs_of_split(pairs_, split).size(),
                               class_counts(pairs_, split)));

  model_ = std::make_unique<Model>(config_);
  model_->description.split_fingerprint = split_fingerprint(pairs_);
  samples_ = std::make_unique<Samples>(config_.size, model_->front_end(),
                                       static_cast<std::size_t>(config_.cache_mb) << 20);

  std::vector<AdamParameter> parameters;
  std::int64_t count = 0;
  for (const Parameter& p : model_->network().parameters()) {
    const double l2 = p.conv_kernel ? config_.l2 * (config_.l2_form == "half" ? 1 : 2) : 0;
    parameters.push_back({p.name, p.tensor, l2});
    if (p.conv_kernel) penalized_.push_back(p.tensor);
    count += p.tensor.numel();
  }
  adam_ = std::make_unique<Adam>(
      std::move(parameters),
      AdamOptions{config_.lr, config_.beta1, config_.beta2, config_.adam_eps});
  progress_.line(fmt::format(
      "network {}: {} parameters, input {}x{}, {}", config_.preset, count, config_.size,
      config_.size,
      config_.stream == "both" ? "fusion " + config_.fusion : config_.stream + " alone"));

  if (config_.class_weights == "balanced") {
    std::array<double, class_count> counts{};
    for (std::size_t i : pairs_of_split(pairs_, "train")) ++counts[pairs_[i].label];
    std::vector<float> weights;
    for (double n : counts)
      weights.push_back(static_cast<float>(
          static_cast<double>(pairs_of_split(pairs_, "train").size()) / (class_count * n)));
    class_weights_ = Tensor::from(weights, {class_count});
  }
}

void Trainer::make_pairs_file() {
  const SplitOptions options = split_options(config_);
  const auto seed = static_cast<std::uint64_t>(config_.seed);
  const auto report = [this](const Corpus& corpus, const SplitCorpus& split) {
    progress_.line(fmt::format("{}: {}, {} files, split {}", corpus.folder.string(), corpus.name,
                               corpus.items.size(), to_string(split.mode)));
    for (const std::string& warning : corpus.warnings) progress_.line("warning: " + warning);
    for (const std::string& warning : split.warnings) progress_.line("warning: " + warning);
  };
  std::optional<SplitCorpus> faces, voices;
  if (!config_.faces.empty()) {
    const Corpus corpus = read_faces(config_.faces, config_.faces_kind);
    faces = split_faces(corpus, options);
    report(corpus, *faces);
  }
  if (!config_.voices.empty()) {
    const Corpus corpus = read_voices(config_.voices, config_.voices_kind);
    voices = split_voices(corpus, options);
    report(corpus, *voices);
  }
  std::vector<Pair> pairs;
  if (faces && voices) {
    pairs = make_pairs(*faces, *voices, seed);
    if (options.mode != SplitMode::leaky) check_leaks(pairs, leak_rules(*faces, *voices));
  } else if (faces) {
    pairs = faces_only(*faces);
    if (options.mode != SplitMode::leaky) check_leaks(pairs, leak_rules(*faces, Modality::face));
  } else {
    pairs = voices_only(*voices);
    if (options.mode != SplitMode::leaky) check_leaks(pairs, leak_rules(*voices, Modality::voice));
  }
  write_pairs(folder_.pairs(), pairs);
}

/// Decodes every file once, so that a bad one is found before the training and not in the middle of
/// it.
void Trainer::read_all_files() {
  std::set<std::filesystem::path> files;
  std::vector<std::size_t> first_uses;
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const bool new_face = model_->sees_faces() && files.insert(pairs_[i].face).second;
    const bool new_voice = model_->hears_voices() && files.insert(pairs_[i].voice).second;
    if (new_face || new_voice) first_uses.push_back(i);
  }
  std::mutex mutex;
  std::set<std::string> refused;
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> readers;
  const auto read = [&] {
    for (std::size_t i = next++; i < first_uses.size() && !stop_requested; i = next++) {
      const Pair& pair = pairs_[first_uses[i]];
      const auto attempt = [&](auto&& decode) {
        try {
          decode();
        } catch (const DataError& e) {
          const std::scoped_lock lock(mutex);
          refused.insert(e.what());
        }
      };
      if (model_->sees_faces()) attempt([&] { samples_->face(pair.face); });
      if (model_->hears_voices()) attempt([&] { samples_->voice(pair.voice); });
    }
  };
  for (std::int64_t i = 0; i < config_.workers; ++i)
    readers.emplace_back([&] {
      const SerialScope alone;
      read();
    });
  for (std::thread& reader : readers) reader.join();
  for (const std::string& warning : samples_->take_warnings())
    progress_.line("warning: " + warning);
  if (refused.empty()) return;
  std::string list;
  std::size_t shown = 0;
  for (const std::string& why : refused)
    if (++shown <= 10) list += "\n  " + why;
  fail<DataError>("{} of the files cannot be used; mend or remove them and start again:{}{}",
                  refused.size(), list, refused.size() > 10 ? "\n  …" : "");
}

/// Means and deviations over the training files as they are read, each file once.
void Trainer::measure_normalization() {
  Normalization& n = model_->description.normalization;
  struct Sums {
    std::vector<double> sum, squares;
    double count = 0;
    void add(const Tensor& x) {
      const std::int64_t channels = x.dim(-1);
      sum.resize(channels);
      squares.resize(channels);
      for (std::int64_t i = 0; i < x.numel(); ++i) {
        const double value = x.data<float>()[i];
        sum[i % channels] += value;
        squares[i % channels] += value * value;
      }
      count += static_cast<double>(x.numel() / channels);
    }
    void finish(std::vector<double>& mean, std::vector<double>& std) const {
      for (std::size_t c = 0; c < sum.size(); ++c) {
        mean[c] = sum[c] / count;
        // A channel that never changes is left unscaled.
        const double variance = squares[c] / count - mean[c] * mean[c];
        std[c] = variance > 1e-12 ? std::sqrt(variance) : 1;
      }
    }
  } faces, voices;
  std::set<std::filesystem::path> seen;
  const std::int64_t size = samples_->size();
  for (std::size_t i : pairs_of_split(pairs_, "train")) {
    const Pair& pair = pairs_[i];
    if (model_->sees_faces() && seen.insert(pair.face).second)
      faces.add(Tensor::from(std::span<const float>(*samples_->face(pair.face)), {size * size, 3}));
    if (model_->hears_voices() && seen.insert(pair.voice).second) {
      const Samples::Values clip = samples_->voice(pair.voice);
      voices.add(model_->voice_images(
          Tensor::from(std::span<const float>(*clip), {1, samples_->clip_samples()})));
    }
  }
  if (faces.count > 0) faces.finish(n.face_mean, n.face_std);
  if (voices.count > 0) voices.finish(n.voice_mean, n.voice_std);
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
    state_.right = j.at("right");
    state_.best_uar = j.at("best_uar");
    state_.best_loss = j.at("best_loss");
    state_.best_epoch = j.at("best_epoch");
    state_.metrics = j.at("metrics").get<std::vector<std::string>>();
    model_->random().masks_drawn = j.at("masks_drawn");
    adam_->set_steps(j.at("adam_steps"));
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
  for (auto& [name, tensor] : adam_->state()) tensors["optimizer." + name] = tensor;
  const json j = {{"epoch", state_.epoch},
                  {"step_in_epoch", state_.step_in_epoch},
                  {"steps", state_.steps},
                  {"loss_sum", state_.loss_sum},
                  {"penalty_sum", state_.penalty_sum},
                  {"norm_sum", state_.norm_sum},
                  {"seen", state_.seen},
                  {"right", state_.right},
                  {"best_uar", state_.best_uar},
                  {"best_loss", state_.best_loss},
                  {"best_epoch", state_.best_epoch},
                  {"metrics", state_.metrics},
                  {"masks_drawn", model_->random().masks_drawn},
                  {"adam_steps", adam_->steps()}};
  model_->save(folder_.last(), std::move(tensors), {{"duet.training", j.dump()}});
}

BatchPlan Trainer::training_plan(const std::vector<Pair>& pairs) const {
  BatchPlan plan{&pairs, pairs_of_split(pairs, "train")};
  plan.batch_size = config_.batch_size;
  plan.faces = model_->sees_faces();
  plan.voices = model_->hears_voices();
  plan.augment_faces = config_.augment_faces;
  plan.augment_voices = config_.augment_voices;
  plan.seed = static_cast<std::uint64_t>(config_.seed);
  plan.epoch = static_cast<std::uint64_t>(state_.epoch);
  return plan;
}

Trainer::Outcome Trainer::run() {
  read_all_files();
  if (stop_requested) return Outcome::interrupted;
  if (exists(folder_.last()))
    resume();
  else
    measure_normalization();
  while (state_.epoch <= config_.epochs && !out_of_patience() && !out_of_steps()) {
    const bool completed = run_epoch();
    save_checkpoint();
    if (!completed) return Outcome::interrupted;
  }
  evaluate_best();
  return Outcome::finished;
}

bool Trainer::out_of_patience() const {
  return config_.patience > 0 && state_.epoch - 1 - state_.best_epoch >= config_.patience;
}

bool Trainer::out_of_steps() const {
  return config_.max_steps > 0 && state_.steps >= config_.max_steps;
}

bool Trainer::run_epoch() {
  const auto epoch = static_cast<std::uint64_t>(state_.epoch);
  std::vector<Pair> drawn;
  const bool draw =
      config_.pairing == "per-epoch" && model_->hears_voices() && model_->sees_faces();
  if (draw) drawn = repair(pairs_, static_cast<std::uint64_t>(config_.seed), epoch - 1);
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
  while (std::optional<Batch> batch = batches.next()) {
    train_step(*batch);
    const double seconds = seconds_since(start);
    const double done = static_cast<double>(state_.seen - seen_before) / seconds;
    const double steps_left = static_cast<double>(
        config_.max_steps > 0
            ? std::min((config_.epochs - state_.epoch + 1) * steps - state_.step_in_epoch,
                       config_.max_steps - state_.steps)
            : (config_.epochs - state_.epoch + 1) * steps - state_.step_in_epoch);
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
    end_epoch(seconds_since(start), batches.seconds_waited());
  }
  return !stop_requested;
}

void Trainer::train_step(const Batch& batch) {
  model_->network().set_mode(Mode::training);
  const std::uint64_t masks_drawn = model_->random().masks_drawn;
  const Inputs inputs = model_->prepare(batch.raw);
  const Tensor logits = model_->forward(inputs);
  const Tensor loss =
      softmax_cross_entropy(logits, batch.labels, class_weights_, config_.label_smoothing);
  loss.backward();
  const double norm = adam_->gradient_norm();
  if (!std::isfinite(loss.item()) || !std::isfinite(norm))
    report_nonfinite(inputs, batch.labels, masks_drawn);
  const double penalty =
      config_.l2 * (config_.l2_form == "half" ? 0.5 : 1.0) * sum_of_squares(penalized_);
  adam_->step();

  const auto n = static_cast<std::int64_t>(batch.pairs.size());
  state_.loss_sum += (loss.item() + penalty) * static_cast<double>(n);
  state_.penalty_sum += penalty * static_cast<double>(n);
  state_.norm_sum += norm * static_cast<double>(n);
  state_.seen += n;
  for (std::int64_t i = 0; i < n; ++i) {
    const float* row = logits.data<float>() + i * class_count;
    state_.right +=
        std::max_element(row, row + class_count) - row == batch.labels.data<std::int32_t>()[i];
  }
  ++state_.step_in_epoch;
  ++state_.steps;
}

/// Looks for the first tensor with a NaN or infinity along the way of a step that gave one: inputs,
/// parameters, the results of the forward pass in order, then gradients from the loss backwards.
void Trainer::report_nonfinite(const Inputs& inputs, const Tensor& labels,
                               std::uint64_t masks_drawn) {
  const std::string where = fmt::format("training stopped at epoch {}, step {}: ", state_.epoch,
                                        state_.step_in_epoch + 1);
  const std::string remedy =
      "; the last checkpoint is sound: try a smaller --lr, or look at the data";
  const auto look_at = [&](const std::string& what, const Tensor& tensor) {
    if (!tensor) return;
    if (const std::int64_t found = count_nonfinite(tensor); found > 0)
      fail("{}{} has {} NaN or infinite elements of {}{}", where, what, found, tensor.numel(),
           remedy);
  };
  look_at("the face input", inputs.face);
  look_at("the voice input", inputs.voice);
  const std::vector<Parameter> parameters = model_->network().parameters();
  for (const Parameter& p : parameters) look_at("parameter " + p.name, p.tensor);
  try {
    const NoGradScope no_grad;
    const FiniteCheckScope finite;
    model_->random().masks_drawn = masks_drawn;
    softmax_cross_entropy(model_->forward(inputs), labels, class_weights_, config_.label_smoothing);
  } catch (const Error& e) {
    fail("{}{}{}", where, e.what(), remedy);
  }
  for (auto p = parameters.rbegin(); p != parameters.rend(); ++p)
    look_at("the gradient of " + p->name, p->tensor.grad());
  fail("{}the norm of the gradient is not finite, though each element is{}", where, remedy);
}

/// Batch norm's running statistics, measured anew with dropout off: dropout changes the variance
/// that the next batch norm sees, so that those which followed the training do not fit the
/// evaluation (Li et al. 2018).
void Trainer::reestimate_statistics(const std::vector<Pair>& pairs) {
  if (!config_.bn_reestimate || !config_.batch_norm) return;
  BatchPlan plan = training_plan(pairs);
  plan.augment_faces = false;
  const Philox order = random_stream(plan.seed, RandomDomain::batch_order, 0);
  RandomSequence(order.seed, order.stream).shuffle(plan.order);
  // Whole batches only, unless there is but one.
  const auto whole = static_cast<std::int64_t>(plan.order.size()) / plan.batch_size;
  if (whole > 0)
    plan.order.resize(std::min(whole, config_.bn_reestimate_batches) * plan.batch_size);
  const NoGradScope no_grad;
  model_->network().set_mode(Mode::estimation);
  Batches batches(*samples_, std::move(plan), static_cast<int>(config_.workers));
  while (const std::optional<Batch> batch = batches.next())
    model_->forward(model_->prepare(batch->raw));
  model_->network().set_mode(Mode::evaluation);
}

void Trainer::end_epoch(double seconds, double waited) {
  const Evaluation dev = evaluate(*model_, *samples_, pairs_, pairs_of_split(pairs_, "dev"),
                                  static_cast<int>(config_.workers));
  const auto seen = static_cast<double>(state_.seen);
  nlohmann::ordered_json j;
  j["epoch"] = state_.epoch;
  j["steps"] = state_.steps;
  j["loss"] = state_.loss_sum / seen;
  j["l2_penalty"] = state_.penalty_sum / seen;
  j["train_accuracy"] = static_cast<double>(state_.right) / seen;
  j["gradient_norm"] = state_.norm_sum / seen;
  j["dev_loss"] = dev.loss;
  j["dev_accuracy"] = dev.metrics.accuracy();
  j["dev_uar"] = dev.metrics.uar();
  j["lr"] = config_.lr;
  j["seconds"] = seconds;
  j["pairs_per_second"] = seen / seconds;
  j["data_wait"] = waited / seconds;
  state_.metrics.push_back(j.dump());

  const bool better = dev.metrics.uar() > state_.best_uar ||
                      (dev.metrics.uar() == state_.best_uar && dev.loss < state_.best_loss);
  if (better) {
    state_.best_uar = dev.metrics.uar();
    state_.best_loss = dev.loss;
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
  progress_.line(fmt::format(
      "epoch {}/{}  loss {:.4f}  acc {:.3f}  dev loss {:.4f}  dev acc {:.3f}  dev UAR {:.3f}{}  "
      "{:.1f} pairs/s  data wait {:.1f} %  {}",
      state_.epoch, config_.epochs, state_.loss_sum / seen,
      static_cast<double>(state_.right) / seen, dev.loss, dev.metrics.accuracy(), dev.metrics.uar(),
      better ? " *" : "  ", seen / seconds, 100 * waited / seconds, clock_text(seconds)));
  if (state_.epoch == 1) progress_.line("rows: " + used_rows());
  ++state_.epoch;
  state_.step_in_epoch = 0;
  state_.loss_sum = state_.penalty_sum = state_.norm_sum = 0;
  state_.seen = state_.right = 0;
}

void Trainer::evaluate_best() {
  const std::unique_ptr<Model> best = Model::load(folder_.model());
  const Evaluation test = evaluate(*best, *samples_, pairs_, pairs_of_split(pairs_, "test"),
                                   static_cast<int>(config_.workers));
  write_file_atomically(folder_.evaluation(), to_json(test, "test", config_.stream,
                                                      model_->description.split_fingerprint));
  const Metrics& m = test.metrics;
  progress_.line(
      fmt::format("test ({} pairs, best of epoch {}): accuracy {:.4f}  UAR {:.4f}  macro F1 {:.4f} "
                  " (always the most frequent class: {:.4f})",
                  m.count(), state_.best_epoch, m.accuracy(), m.uar(), m.macro_f1(), m.majority()));
  progress_.line(fmt::format("{:>10} {:>9} {:>9} {:>9}   <- answered", "", class_names[0],
                             class_names[1], class_names[2]));
  for (int t = 0; t < class_count; ++t)
    progress_.line(fmt::format("{:>10} {:>9} {:>9} {:>9}", class_names[t], m.confusion()[t][0],
                               m.confusion()[t][1], m.confusion()[t][2]));
}

}  // namespace duet
