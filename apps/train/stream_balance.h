#pragma once
/// Holds back the stream that learns faster, so that the other one is not left behind: on-the-fly
/// gradient modulation (Peng et al. 2022, arXiv:2203.15332), on the learning rate, since Adam
/// undoes what a gradient is multiplied by.
///
///   ratio = s_ahead / s_behind,   rate of the stream ahead *= 1 − tanh(strength · (ratio − 1))
///
/// with s the probability of the true class for pairs that have one stream only, which modality
/// dropout makes, averaged over the last few steps. (The paper has tanh(strength · ratio), which
/// jumps where the streams change places, and takes s from a linear head's two halves.)

#include <array>
#include <span>

#include "engine/tensor.h"

namespace duet {

class StreamBalance {
 public:
  /// 0: both streams learn as they are.
  explicit StreamBalance(double strength) : strength_(strength) {}

  /// An ended step's: logits (N, classes) f32, N labels, and which streams a pair has, (N) each,
  /// all on the CPU.
  void add(const Tensor& logits, std::span<const std::int32_t> labels, const Tensor& face,
           const Tensor& voice);

  /// What the rate of a stream is multiplied by in the step that is staged next: while one is under
  /// way (`started`), the one after it. Either way by the steps up to the last but one before it,
  /// so that a training that was interrupted in between has the same bits.
  double face_rate(bool started) const { return rate(started, 0); }
  double voice_rate(bool started) const { return rate(started, 1); }

  /// For a checkpoint.
  using State = std::array<double, 8>;
  State state() const;
  void set_state(const State& state);

 private:
  /// Of pairs with one stream, the face or the voice: sums that forget.
  struct Scores {
    std::array<double, 2> probability{}, pairs{};
  };
  double rate(bool started, std::size_t stream) const;

  double strength_;
  Scores now_, before_;
};

}  // namespace duet
