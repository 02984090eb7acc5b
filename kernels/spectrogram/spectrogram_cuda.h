#pragma once
/// What the rows on a device have in common: the tables, and what is done before and after the
/// Fourier transform. The transform itself is our own (spectrogram_cuda.cu) or cuFFT's
/// (spectrogram_cufft.cpp).

#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet::spectrogram {

template <class T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};

/// What the frames of a call have in common; the tables are in device memory.
template <class T>
struct Frames {
  std::int64_t samples, hop_length;
  int n_fft, n_mels, count;
  T power;
  const T* window;          ///< (n_fft)
  const Complex<T>* roots;  ///< (n_fft): exp(−2πi / n_fft · k)
  const MelSpan* filters;   ///< (n_mels)
  /// (the longest filter's length, n_mels): neighbouring filters side by side.
  const T* weights;
};

/// How many frames of a clip a block of threads takes, one after the other in time: four, so that
/// it stores 16 bytes side by side, or one where four take more shared memory than every GPU has.
template <class T>
int frames_a_block(const SpectrogramParams& p) {
  constexpr std::size_t most_bytes = 64 << 10;
  return 4 * static_cast<std::size_t>(p.n_fft) * sizeof(Complex<T>) <= most_bytes ? 4 : 1;
}
template <class T>
std::int64_t blocks_a_clip(const SpectrogramParams& p) {
  const int at_once = frames_a_block<T>(p);
  return (p.frames() + at_once - 1) / at_once;
}

/// The tables are made once for each device and kind of frame and stay where they are, so that a
/// captured graph may hold their addresses.
template <class T>
Frames<T> frames_of(const Stream&, const SpectrogramParams&);

/// x (N, samples) → windowed (N · frames, n_fft).
template <class T>
void window(Exec&, const SpectrogramParams&, const Frames<T>&, const T* x, T* windowed);

/// spectrum (N · frames, n_fft / 2 + 1) → y (N, n_mels, frames) mel energies, and the greatest of
/// each block, loudest (N, blocks_a_clip).
template <class T>
void mel_energies(Exec&, const SpectrogramParams&, const Frames<T>&, const Complex<T>* spectrum,
                  T* y, T* loudest);

/// y from energies to dB below the clip's greatest, in place.
template <class T>
void decibels(Exec&, const SpectrogramParams&, const T* loudest, T* y);

}  // namespace duet::spectrogram
