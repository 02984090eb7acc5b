#include "apps/train/train_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/ops/binary.h"
#include "engine/ops/softmax_cross_entropy.h"

namespace duet {
namespace {

/// What changes from step to step.
struct StepState {
  std::uint64_t masks_drawn;
  std::array<AdamRates, network_parts.size()> rates;
};

/// Which of `network_parts` a parameter belongs to.
std::size_t part_of(const std::string& parameter) {
  if (parameter.starts_with("face.")) return 0;
  return parameter.starts_with("voice.") ? 1 : 2;
}

}  // namespace

std::unique_ptr<Adam> make_adam(const Model& model) {
  const Config& config = model.config();
  std::vector<AdamParameter> parameters;
  for (const Parameter& p : model.network().parameters()) {
    const double l2 = p.conv_kernel ? config.l2 * (config.l2_form == "half" ? 1 : 2) : 0;
    parameters.push_back(
        {p.name, p.tensor, l2, static_cast<std::uint32_t>(part_of(p.name)), p.rounded});
  }
  return std::make_unique<Adam>(
      std::move(parameters), AdamOptions{config.lr, config.beta1, config.beta2, config.adam_eps});
}

TrainStep::TrainStep(Model& model, Adam& adam, Tensor class_weights)
    : model_(model),
      adam_(adam),
      class_weights_(std::move(class_weights)),
      parameters_(model.network().parameters()),
      balance_(model.config().stream_balance),
      staging_(model.device()) {
  for (const Parameter& p : parameters_)
    if (p.conv_kernel) penalized_.push_back(p.tensor);
  if (model.device() == Device{}) return;
  begin_.emplace(model.device());
  end_.emplace(model.device());
}

void TrainStep::stage(const Batch& batch) {
  StepState state{model_.random().masks_drawn, {}};
  state.rates.fill(adam_.next_rates());
  state.rates[0].rate *= balance_.face_rate(under_way_);
  state.rates[1].rate *= balance_.voice_rate(under_way_);
  const Tensor bytes = Tensor::empty({sizeof state}, DType::u8);
  std::memcpy(bytes.view().data, &state, sizeof state);
  const std::span<const std::int32_t> labels = batch.labels.span<std::int32_t>();
  staged_labels_.assign(labels.begin(), labels.end());
  const auto& [faces, waves, presence] = batch.raw;
  staged_presence_ = presence;
  staging_.put({faces, batch.face_slots, batch.face_pictures, waves, presence.face, presence.voice,
                batch.face_augmentations, batch.voice_augmentations, batch.voice_masks,
                batch.labels, bytes});
}

void TrainStep::start() {
  const std::vector<Tensor> staged = staging_.take();
  labels_ = std::exchange(staged_labels_, {});
  presence_ = std::exchange(staged_presence_, {});
  under_way_ = true;
  masks_before_ = model_.random().masks_drawn;
  const auto size = static_cast<std::int64_t>(labels_.size());
  const bool first = size > size_;
  if (first) {
    graph_.reset();
    captured_.reset();
    size_ = size;
  }
  replayed_ = model_.config().cuda_graph && size == size_ && !first;
  if (replayed_ && !graph_) {
    graph_ = std::make_unique<Graph>(model_.device(), [&] { captured_.emplace(queue(staged)); });
    captured_masks_ = model_.random().masks_drawn - masks_before_;
  }
  if (begin_) begin_->record(StreamKind::compute);
  if (replayed_)
    graph_->launch();
  else
    queued_.emplace(queue(staged));
  if (end_) end_->record(StreamKind::compute);
  if (replayed_) model_.random().masks_drawn = masks_before_ + captured_masks_;
  adam_.set_steps(adam_.steps() + 1);
}

Tensor TrainStep::loss_of(const Tensor& logits, const Tensor& labels) const {
  return softmax_cross_entropy(logits, labels, class_weights_, model_.config().label_smoothing);
}

TrainStep::Queued TrainStep::queue(const std::vector<Tensor>& staged) {
  Batch batch;
  batch.raw = {staged[0], staged[3], {staged[4], staged[5]}};
  batch.face_slots = staged[1];
  batch.face_pictures = staged[2];
  batch.face_augmentations = staged[6];
  batch.voice_augmentations = staged[7];
  batch.voice_masks = staged[8];
  batch.labels = staged[9];
  const auto* state = static_cast<const StepState*>(staged[10].view().data);
  model_.network().set_mode(Mode::training);
  model_.random().count_masks_in(&state->masks_drawn);
  Inputs inputs = model_.prepare(
      raw_inputs(batch, static_cast<std::uint64_t>(model_.config().seed), model_.device()));
  if (batch.voice_masks) inputs.voice = inputs.voice * batch.voice_masks;
  passed_("inputs");
  // From the forward pass on, in which rows may be chosen by what their backward takes.
  std::optional<FactorsScope> factors;
  if (adam_.takes_factors()) factors.emplace();
  const Tensor logits = model_.forward(inputs);
  const Tensor loss = loss_of(logits, batch.labels);
  passed_("forward");
  loss.backward();
  passed_("backward");
  std::vector<Tensor> gradients;
  std::array<std::vector<Tensor>, network_parts.size()> of_part;
  for (const Parameter& p : parameters_) {
    gradients.push_back(p.grad());
    if (p.grad()) of_part[part_of(p.name)].push_back(p.grad());
  }
  std::vector<Tensor> results = {loss.detach(), logits.detach(), sum_of_squares(penalized_)};
  Tensor grad_square;
  for (const std::vector<Tensor>& part : of_part) {
    const Tensor square = part.empty() ? Tensor() : sum_of_squares(part);
    if (square) grad_square = grad_square ? grad_square + square : square;
    results.push_back(square);
  }
  passed_("norms");
  adam_.step(state->rates.data(), grad_square);
  passed_("update");
  model_.random().count_masks_in(nullptr);
  return {inputs, batch.labels, std::move(gradients), Readback(std::move(results))};
}

TrainStep::Result TrainStep::finish() {
  const std::vector<Tensor> results = (replayed_ ? captured_ : queued_)->results.read();
  Result result{results[0].item(), results[2].item(), 0, {}, 0, 0, 0};
  double grad_square = 0;
  for (std::size_t i = 0; i < network_parts.size(); ++i)
    if (const Tensor& square = results[3 + i]) {
      grad_square += square.item();
      result.part_norms[i] = std::sqrt(square.item());
    }
  result.norm = std::sqrt(grad_square);
  const Tensor logits = results[1].to(DType::f32);
  const std::int64_t classes = logits.dim(1);
  result.pairs = logits.dim(0);
  for (std::int64_t i = 0; i < result.pairs; ++i) {
    const float* row = logits.data<float>() + i * classes;
    result.right += std::max_element(row, row + classes) - row == labels_[i];
  }
  under_way_ = false;
  if (presence_.face)
    balance_.add(logits, labels_, presence_.face.to(DType::f32), presence_.voice.to(DType::f32));
  if (begin_) result.milliseconds = end_->milliseconds_since(*begin_);
  if (std::isfinite(result.loss) && std::isfinite(result.norm)) queued_.reset();
  return result;
}

void TrainStep::report_nonfinite(const std::string& where) {
  const Queued& step = replayed_ ? *captured_ : queued_.value();
  const auto look_at = [&](const std::string& what, const Tensor& tensor) {
    if (!tensor) return;
    if (const std::int64_t found = count_nonfinite(tensor); found > 0)
      fail("{}{} has {} NaN or infinite elements of {}{}", where, what, found, tensor.numel(),
           nonfinite_remedy);
  };
  look_at("the face input", step.inputs.face);
  look_at("the voice input", step.inputs.voice);
  for (const Parameter& p : parameters_) look_at("parameter " + p.name, p.tensor);
  try {
    const NoGradScope no_grad;
    const FiniteCheckScope finite;
    model_.network().set_mode(Mode::training);
    model_.random().masks_drawn = masks_before_;
    loss_of(model_.forward(step.inputs), step.labels);
  } catch (const Error& e) {
    fail("{}{}{}", where, e.what(), nonfinite_remedy);
  }
  for (std::size_t i = parameters_.size(); i-- > 0;)
    look_at("the gradient of " + parameters_[i].name, step.gradients[i]);
  fail("{}the norm of the gradient is not finite, though each element is{}", where,
       nonfinite_remedy);
}

}  // namespace duet
