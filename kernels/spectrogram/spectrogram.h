#pragma once
/// Log-mel spectrogram, in dB below the clip's own maximum: the numbers of librosa's
/// `power_to_db(feature.melspectrogram(…), ref=max)`.
///
/// Frame t is the clip around sample t · hop_length (zeros outside it) under a periodic Hann window
/// of n_fft samples; X is its Fourier transform, F the mel filters (mel.h):
///
///   s[m, t] = Σ_k F[m, k] · |X[k, t]|^power
///   y[m, t] = max(10 log10(max(s[m, t], amin) / max(max s, amin)), −top_db)
///
/// There is no backward: the sound is the network's input.

#include "kernels/base/exec.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct SpectrogramParams {
  std::int64_t batch, samples;
  std::int64_t sample_rate = 16000;             ///< Hz
  std::int64_t n_fft = 1024, hop_length = 256;  ///< samples
  std::int64_t n_mels = 128;
  double fmin = 0, fmax = 8000;  ///< Hz
  double power = 2;              ///< of the magnitude: 2 energy, 1 amplitude
  double top_db = 80;            ///< dB, depth of the floor below the maximum
  double amin = 1e-10;           ///< least s that is told from zero

  std::int64_t frames() const { return 1 + samples / hop_length; }
  Shape x_shape() const { return {batch, samples}; }
  Shape y_shape() const { return {batch, n_mels, frames()}; }
};
std::string describe(const SpectrogramParams& p);
/// Throws UsageError, with the parameter's name, when no spectrogram has these parameters.
void check(const SpectrogramParams& p);

struct SpectrogramRow : RowInfo {
  using Params = SpectrogramParams;
  Support (*supports)(const Params&, DType);
  /// x (N, T) → y (N, n_mels, frames), dB, in −top_db … 0; row 0 is the lowest filter.
  void (*forward)(Exec&, const Params&, ConstView x, View y);
};

RowList<SpectrogramRow>& spectrogram_rows();

}  // namespace duet
