#pragma once
/// The mel filter bank: triangles on the mel scale of Slaney's Auditory Toolbox (1998), each of
/// unit area in Hz, as librosa's default. (The other scale in use, HTK's, differs above 1 kHz.)

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace duet {

/// Slaney's scale: linear, 3 mel for every 200 Hz, up to 1 kHz (mel 15); above, 27 mel for every
/// factor of 6.4.
inline double hz_to_mel(double hz) {
  return hz < 1000 ? hz * 3 / 200 : 15 + 27 * std::log(hz / 1000) / std::log(6.4);
}
inline double mel_to_hz(double mel) {
  return mel < 15 ? mel * 200 / 3 : 1000 * std::exp((mel - 15) * std::log(6.4) / 27);
}

/// One row of the bank: the weights of the Fourier bins first … first + weights.size() - 1; all
/// others are zero.
struct MelFilter {
  std::int64_t first = 0;
  std::vector<double> weights;
};

/// `n_mels` filters over the n_fft / 2 + 1 bins of a spectrum. Their n_mels + 2 corners are
/// equidistant in mel between `fmin` and `fmax` Hz; each filter rises from one corner to the next
/// and falls to the one after. A filter narrower than a bin may have no weights.
inline std::vector<MelFilter> mel_filters(std::int64_t sample_rate, std::int64_t n_fft,
                                          std::int64_t n_mels, double fmin, double fmax) {
  const double low = hz_to_mel(fmin), step = (hz_to_mel(fmax) - low) / (n_mels + 1);
  const double bin_hz = static_cast<double>(sample_rate) / n_fft;
  std::vector<MelFilter> filters(static_cast<std::size_t>(n_mels));
  for (std::int64_t m = 0; m < n_mels; ++m) {
    const double left = mel_to_hz(low + m * step), centre = mel_to_hz(low + (m + 1) * step),
                 right = mel_to_hz(low + (m + 2) * step);
    MelFilter& filter = filters[m];
    for (std::int64_t bin = 0; bin <= n_fft / 2; ++bin) {
      const double hz = bin * bin_hz;
      const double height =
          std::min((hz - left) / (centre - left), (right - hz) / (right - centre));
      if (height <= 0) continue;
      if (filter.weights.empty()) filter.first = bin;
      filter.weights.push_back(height * 2 / (right - left));
    }
  }
  return filters;
}

/// The same filters for a row's loops: one after another in one array, in the row's type.
struct MelSpan {
  int first, count, offset;  ///< bins first … first + count - 1, with weights from `offset` on
};
template <class T>
struct MelBank {
  std::vector<MelSpan> filters;  ///< (n_mels)
  std::vector<T> weights;

  explicit MelBank(const std::vector<MelFilter>& bank) {
    for (const MelFilter& f : bank) {
      filters.push_back({static_cast<int>(f.first), static_cast<int>(f.weights.size()),
                         static_cast<int>(weights.size())});
      for (const double w : f.weights) weights.push_back(static_cast<T>(w));
    }
  }
};

/// The periodic Hann window: sin²(π i / n), whose period is n.
inline std::vector<double> hann_window(std::int64_t n) {
  std::vector<double> window(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    const double s = std::sin(3.14159265358979323846 * static_cast<double>(i) / n);
    window[i] = s * s;
  }
  return window;
}

}  // namespace duet
