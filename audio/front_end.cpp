#include "audio/front_end.h"

#include <cmath>

#include "audio/colormap.h"
#include "engine/ops/resize.h"
#include "engine/ops/run.h"
#include "engine/ops/unary.h"

namespace duet {

std::int64_t FrontEnd::clip_samples() const {
  return static_cast<std::int64_t>(std::llround(seconds * static_cast<double>(sample_rate)));
}

void fit_clip(std::span<const float> samples, std::span<float> clip) {
  const auto have = static_cast<std::int64_t>(samples.size()),
             want = static_cast<std::int64_t>(clip.size());
  const std::int64_t from = std::max<std::int64_t>(0, (have - want) / 2);
  const std::int64_t to = std::max<std::int64_t>(0, (want - have) / 2);
  std::fill(clip.begin(), clip.end(), 0.0f);
  std::copy_n(samples.begin() + from, std::min(have, want), clip.begin() + to);
}

Tensor log_mel(const FrontEnd& front_end, const Tensor& waves) {
  SpectrogramParams params{waves.dim(0), waves.dim(1)};
  params.sample_rate = front_end.sample_rate;
  params.n_fft = front_end.n_fft;
  params.hop_length = front_end.hop_length;
  params.n_mels = front_end.n_mels;
  params.fmin = front_end.fmin;
  params.fmax = front_end.fmax;
  params.top_db = front_end.top_db;
  check(params);
  const Tensor y = Tensor::empty(params.y_shape(), waves.dtype(), waves.device());
  const auto transform = [&] {
    const SpectrogramRow& row = select_row(spectrogram_rows(), params, waves);
    OpExec exec(row, waves.device());
    row.forward(exec, params, waves, y);
  };
  const RepeatScope repeat(transform);
  transform();
  return y;
}

Tensor spectrogram_image(const FrontEnd& front_end, const Tensor& log_mel, std::int64_t size) {
  const std::int64_t n = log_mel.dim(0);
  const Tensor unit =
      affine(log_mel.alias({n, log_mel.dim(1), log_mel.dim(2), 1}), 1 / front_end.top_db, 1);
  const Tensor image = resize(unit, size, size);
  if (front_end.style == SpectrogramStyle::log_mel) return image;
  return map_colors(image.alias({n, size, size}));
}

}  // namespace duet
