#pragma once
/// From sound to what the network sees: clip → log-mel spectrogram → square image.

#include <span>
#include <string>

#include "engine/tensor.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet {

enum class SpectrogramStyle : std::uint8_t {
  log_mel,  ///< one channel
  rgb,      ///< three channels of a colour map, as the paper's pictures
};

struct FrontEnd {
  std::int64_t sample_rate = 16000;  ///< Hz
  double seconds = 3;
  std::int64_t n_fft = 1024, hop_length = 256;  ///< samples
  std::int64_t n_mels = 128;
  double fmin = 0, fmax = 8000;  ///< Hz
  double top_db = 80;
  SpectrogramStyle style = SpectrogramStyle::log_mel;

  std::int64_t clip_samples() const;
  std::int64_t channels() const { return style == SpectrogramStyle::rgb ? 3 : 1; }
};

/// Fills `clip` with the middle of `samples`, or with all of them between equal parts of silence.
void fit_clip(std::span<const float> samples, std::span<float> clip);

/// waves (N, clip_samples) → (N, n_mels, frames): dB below each clip's maximum, −top_db … 0.
Tensor log_mel(const FrontEnd& front_end, const Tensor& waves);

/// log-mel (N, n_mels, frames) → (N, size, size, channels) in 0 … 1: time runs across, and row 0 is
/// the lowest band, as in librosa's arrays (a picture for people is drawn upside down from that).
Tensor spectrogram_image(const FrontEnd& front_end, const Tensor& log_mel, std::int64_t size);

}  // namespace duet
