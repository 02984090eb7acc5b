#include "apps/train/stream_balance.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace duet;
using doctest::Approx;

namespace {

/// Two pairs with one stream each, and one with both: `face` and `voice` are the probabilities of
/// the true class that they are answered with.
void add(StreamBalance& balance, double face, double voice) {
  const auto logit = [](double p) { return static_cast<float>(std::log(p / (1 - p))); };
  const std::vector<float> logits = {logit(face), 0, 0, logit(voice), logit(0.001), 0};
  const std::vector<std::int32_t> labels = {0, 1, 0};
  const std::vector<float> has_face = {1, 0, 1}, has_voice = {0, 1, 1};
  balance.add(Tensor::from(logits, {3, 2}), labels, Tensor::from(has_face, {3}),
              Tensor::from(has_voice, {3}));
}

}  // namespace

TEST_CASE("stream balance: the stream that is ahead is held back, the other one is not") {
  StreamBalance balance(0.5);
  CHECK(balance.face_rate(true) == 1);
  CHECK(balance.voice_rate(true) == 1);
  add(balance, 0.4, 0.6);
  CHECK(balance.face_rate(true) == 1);
  CHECK(balance.voice_rate(true) == Approx(1 - std::tanh(0.5 * (0.6 / 0.4 - 1))));
  StreamBalance other(2);
  add(other, 0.9, 0.3);
  CHECK(other.face_rate(true) == Approx(1 - std::tanh(2 * (0.9 / 0.3 - 1))));
  CHECK(other.voice_rate(true) == 1);
  StreamBalance none(0);
  add(none, 0.9, 0.3);
  CHECK(none.face_rate(true) == 1);
}

TEST_CASE("stream balance: scores forget, and pairs count alike") {
  StreamBalance balance(1);
  add(balance, 0.5, 0.9);
  add(balance, 0.5, 0.6);
  // Nine tenths of the step before.
  const double voice = (0.9 * 0.9 + 0.6) / 1.9;
  CHECK(balance.voice_rate(true) == Approx(1 - std::tanh(voice / 0.5 - 1)));
}

TEST_CASE(
    "stream balance: a rate goes by the last but one of the steps, whenever it is asked for") {
  // One training runs through; the other is stopped after each step and goes on from a checkpoint.
  StreamBalance through(1);
  StreamBalance::State saved = through.state();
  const double face[] = {0.5, 0.3, 0.8, 0.6}, voice[] = {0.7, 0.6, 0.4, 0.9};
  bool moved = false;
  for (int i = 0; i < 4; ++i) {
    // Step i runs. The next is staged before it has ended, or after the checkpoint was read.
    const double expected_face = through.face_rate(true), expected_voice = through.voice_rate(true);
    moved |= expected_face != 1 || expected_voice != 1;
    add(through, face[i], voice[i]);
    StreamBalance resumed(1);
    resumed.set_state(saved);
    add(resumed, face[i], voice[i]);
    saved = resumed.state();
    StreamBalance again(1);
    again.set_state(saved);
    CHECK(again.face_rate(false) == expected_face);
    CHECK(again.voice_rate(false) == expected_voice);
  }
  CHECK(moved);
}
