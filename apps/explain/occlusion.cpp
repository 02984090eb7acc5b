#include "apps/explain/occlusion.h"

#include <algorithm>

namespace duet {
namespace {

constexpr std::int64_t batch_size = 32;

OcclusionMap grid(std::int64_t size) {
  OcclusionMap map;
  map.size = size;
  map.patch = std::max<std::int64_t>(1, (size + 3) / 6);
  const std::int64_t stride = std::max<std::int64_t>(1, map.patch / 2);
  for (std::int64_t at = 0; at < size - map.patch; at += stride) map.starts.push_back(at);
  map.starts.push_back(size - map.patch);
  return map;
}

/// x (1, …) n times: (n, …), on the CPU.
Tensor repeated(const Tensor& x, std::int64_t n) {
  const Tensor one = x.to(Device{});
  const Tensor all = Tensor::empty({n, x.dim(1), x.dim(2), x.dim(3)}, x.dtype());
  for (std::int64_t i = 0; i < n; ++i)
    std::copy_n(one.data<float>(), one.numel(), all.data<float>() + i * one.numel());
  return all;
}

/// Zeroes a square of sample `i`.
void cover(const Tensor& x, std::int64_t i, std::int64_t row, std::int64_t column,
           std::int64_t side) {
  const std::int64_t size = x.dim(1), channels = x.dim(3);
  for (std::int64_t y = row; y < row + side; ++y)
    std::fill_n(x.data<float>() + ((i * size + y) * size + column) * channels, side * channels,
                0.0f);
}

/// `inputs` with another tensor as the stream that is looked at.
Inputs exchanged(Inputs inputs, Tensor Inputs::*stream, const Tensor& x) {
  inputs.*stream = x;
  return inputs;
}

StreamExplanation explain_stream(const Inputs& inputs, Tensor Inputs::*stream,
                                 const Predictor& predict, const Explanation& answered) {
  const Tensor& x = inputs.*stream;
  const Device device = x.device();
  StreamExplanation explanation;
  OcclusionMap& map = explanation.map = grid(x.dim(1));
  const auto places = static_cast<std::int64_t>(map.starts.size() * map.starts.size());
  for (std::int64_t begin = 0; begin < places; begin += batch_size) {
    const std::int64_t n = std::min(batch_size, places - begin);
    Inputs batch;
    for (Tensor Inputs::*each : {&Inputs::face, &Inputs::voice})
      if (inputs.*each) batch.*each = repeated(inputs.*each, n);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto place = static_cast<std::size_t>(begin + i);
      cover(batch.*stream, i, map.starts[place / map.starts.size()],
            map.starts[place % map.starts.size()], map.patch);
    }
    for (Tensor Inputs::*each : {&Inputs::face, &Inputs::voice})
      if (batch.*each) batch.*each = (batch.*each).to(device);
    const Tensor probabilities = predict(batch);
    for (std::int64_t i = 0; i < n; ++i)
      map.drops.push_back(answered.probabilities[answered.answer] -
                          probabilities.data<float>()[i * class_count + answered.answer]);
  }
  const Tensor instead =
      answered.without == Without::absence ? Tensor() : Tensor::zeros(x.shape(), x.dtype(), device);
  const Tensor without = predict(exchanged(inputs, stream, instead));
  std::copy_n(without.data<float>(), class_count, explanation.without.begin());
  return explanation;
}

}  // namespace

std::vector<float> OcclusionMap::by_pixel() const {
  std::vector<float> sum(static_cast<std::size_t>(size * size)), count(sum.size());
  for (std::size_t r = 0; r < starts.size(); ++r)
    for (std::size_t c = 0; c < starts.size(); ++c)
      for (std::int64_t y = starts[r]; y < starts[r] + patch; ++y)
        for (std::int64_t x = starts[c]; x < starts[c] + patch; ++x) {
          sum[static_cast<std::size_t>(y * size + x)] += drop(r, c);
          ++count[static_cast<std::size_t>(y * size + x)];
        }
  // The patches leave no pixel uncovered.
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= count[i];
  return sum;
}

Explanation explain(const Inputs& inputs, const Predictor& predict, bool may_lack_a_stream) {
  Explanation explanation;
  if (may_lack_a_stream && inputs.face && inputs.voice) explanation.without = Without::absence;
  const Tensor probabilities = predict(inputs);
  std::copy_n(probabilities.data<float>(), class_count, explanation.probabilities.begin());
  explanation.answer = static_cast<int>(
      std::max_element(explanation.probabilities.begin(), explanation.probabilities.end()) -
      explanation.probabilities.begin());
  if (inputs.face) explanation.face = explain_stream(inputs, &Inputs::face, predict, explanation);
  if (inputs.voice)
    explanation.voice = explain_stream(inputs, &Inputs::voice, predict, explanation);
  return explanation;
}

}  // namespace duet
