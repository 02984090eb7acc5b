#pragma once
/// Which parts of an input an answer rests on: parts are covered, one after the other, and the
/// answer is asked for again (M. Zeiler and R. Fergus, "Visualizing and understanding convolutional
/// networks", 2014).

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "apps/data/label.h"
#include "apps/model/model.h"

namespace duet {

/// inputs of N samples → probabilities (N, classes), f32 on the CPU.
using Predictor = std::function<Tensor(const Inputs&)>;

using Probabilities = std::array<float, class_count>;

/// What covering a square patch does at each of its places.
struct OcclusionMap {
  std::int64_t size = 0;   ///< side of the input
  std::int64_t patch = 0;  ///< side of the square, S/6 rounded
  /// Where patches begin, along both sides: every half patch, the last at the edge.
  std::vector<std::int64_t> starts;
  /// (starts, starts), rows of the input first: by how much the answered class's probability falls
  /// when the patch is zero, which after standardisation is the mean of the training inputs.
  std::vector<float> drops;

  float drop(std::size_t row, std::size_t column) const {
    return drops[row * starts.size() + column];
  }
  /// (size, size): the mean of the drops of the patches that cover a pixel.
  std::vector<float> by_pixel() const;
};

/// What takes a stream's place in the answer without it.
enum class Without {
  zero,    ///< an input that is all zero
  absence  ///< no input: what the model has learned that an absent stream is
};

/// One stream of an explained answer.
struct StreamExplanation {
  OcclusionMap map;
  Probabilities without{};  ///< the answer without the stream
};

struct Explanation {
  Probabilities probabilities{};
  int answer = 0;
  Without without = Without::zero;  ///< of both streams
  std::optional<StreamExplanation> face, voice;
};

/// inputs: one sample, each stream (1, S, S, channels) or absent, standardised, on any device.
/// `may_lack_a_stream`: as of the model; where both streams are there, each is then left out.
Explanation explain(const Inputs& inputs, const Predictor& predict, bool may_lack_a_stream);

}  // namespace duet
