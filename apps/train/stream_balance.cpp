#include "apps/train/stream_balance.h"

#include <algorithm>
#include <cmath>

namespace duet {
namespace {

/// What is left of a step's scores after one more step.
constexpr double memory = 0.9;

double softmax_at(std::span<const float> logits, std::int32_t label) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return std::exp(logits[static_cast<std::size_t>(label)] - most) / sum;
}

}  // namespace

void StreamBalance::add(const Tensor& logits, std::span<const std::int32_t> labels,
                        const Tensor& face, const Tensor& voice) {
  if (strength_ == 0) return;
  before_ = now_;
  for (double& sum : now_.probability) sum *= memory;
  for (double& sum : now_.pairs) sum *= memory;
  const auto classes = static_cast<std::size_t>(logits.dim(1));
  const std::span<const float> all = logits.span<float>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool has_face = face.span<float>()[i] != 0, has_voice = voice.span<float>()[i] != 0;
    if (has_face == has_voice) continue;
    const std::size_t stream = has_face ? 0 : 1;
    now_.probability[stream] += softmax_at(all.subspan(i * classes, classes), labels[i]);
    now_.pairs[stream] += 1;
  }
}

double StreamBalance::rate(bool started, std::size_t stream) const {
  const Scores& scores = started ? now_ : before_;
  if (strength_ == 0 || scores.pairs[0] == 0 || scores.pairs[1] == 0) return 1;
  const auto score = [&](std::size_t s) { return scores.probability[s] / scores.pairs[s]; };
  const double ratio = score(stream) / std::max(score(1 - stream), 1e-12);
  return ratio > 1 ? 1 - std::tanh(strength_ * (ratio - 1)) : 1;
}

StreamBalance::State StreamBalance::state() const {
  const auto& [p, n] = now_;
  const auto& [old_p, old_n] = before_;
  return {p[0], p[1], n[0], n[1], old_p[0], old_p[1], old_n[0], old_n[1]};
}

void StreamBalance::set_state(const State& s) {
  now_ = {{s[0], s[1]}, {s[2], s[3]}};
  before_ = {{s[4], s[5]}, {s[6], s[7]}};
}

}  // namespace duet
