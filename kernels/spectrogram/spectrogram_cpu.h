#pragma once
/// What the rows on the CPU have in common around the Fourier transform. The transform is our own
/// (spectrogram_cpu.cpp) or Kiss FFT's (spectrogram_kissfft.cpp).

#include "kernels/base/vec_math.h"
#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet::spectrogram_parts {

/// What the tables depend on.
struct FrameKind {
  std::int64_t sample_rate, n_fft, n_mels;
  double fmin, fmax;

  explicit FrameKind(const SpectrogramParams& p)
      : sample_rate(p.sample_rate), n_fft(p.n_fft), n_mels(p.n_mels), fmin(p.fmin), fmax(p.fmax) {}
  auto operator<=>(const FrameKind&) const = default;
};

template <class T>
struct FrameTables {
  FrameKind kind;
  std::vector<T> window;  ///< (n_fft)
  MelBank<T> mel;

  explicit FrameTables(const SpectrogramParams& p)
      : kind(p), mel(mel_filters(p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax)) {
    const std::vector<double> hann = hann_window(p.n_fft);
    window.assign(hann.begin(), hann.end());
  }
};

inline std::int64_t first_sample(const SpectrogramParams& p, std::int64_t frame) {
  return frame * p.hop_length - p.n_fft / 2;
}

/// `count` samples of the clip from the frame's first on, zeros outside the clip.
template <class T>
void copy_frame(const SpectrogramParams& p, const T* clip, std::int64_t frame, std::int64_t count,
                T* to) {
  const std::int64_t start = first_sample(p, frame);
  const std::int64_t begin = std::clamp<std::int64_t>(-start, 0, count),
                     end = std::clamp<std::int64_t>(p.samples - start, begin, count);
  std::fill(to, to + begin, T(0));
  std::copy(clip + (start + begin), clip + (start + end), to + begin);
  std::fill(to + end, to + count, T(0));
}

/// |X|² to |X|^power, in place.
template <class T>
void raise_energies(const SpectrogramParams& p, T* energies, std::int64_t count) {
  if (p.power == 2) return;
  if (p.power == 1) {
    for (std::int64_t i = 0; i < count; ++i) energies[i] = std::sqrt(energies[i]);
  } else {
    const auto exponent = static_cast<T>(p.power / 2);
    for (std::int64_t i = 0; i < count; ++i) energies[i] = std::pow(energies[i], exponent);
  }
}

/// `count` mel energies to dB below the clip's greatest, in place.
template <class T>
void decibels(const SpectrogramParams& p, T greatest, T* s, std::int64_t count) {
  const Vec<T> amin = Vec<T>{} + static_cast<T>(p.amin),
               floor = Vec<T>{} - static_cast<T>(p.top_db);
  const auto log_energy = [=](Vec<T> energy) { return log10<T>(greater<T>(amin, energy)); };
  const Vec<T> top = log_energy(Vec<T>{} + greatest);
  for (std::int64_t i = 0; i < count; i += lanes<T>) {
    const Vec<T> energy = load(s + i, count - i);
    store(s + i, greater<T>(10 * (log_energy(energy) - top), floor), count - i);
  }
}

}  // namespace duet::spectrogram_parts
