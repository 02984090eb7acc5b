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
  const T* weights;
};

/// The tables are made once for each device and kind of frame and stay where they are, so that a
/// captured graph may hold their addresses.
template <class T>
Frames<T> frames_of(const Stream&, const SpectrogramParams&);

/// x (N, samples) → windowed (N · frames, n_fft).
template <class T>
void window(Exec&, const SpectrogramParams&, const Frames<T>&, const T* x, T* windowed);

/// spectrum (N · frames, n_fft / 2 + 1) → y (N, n_mels, frames) mel energies, and the greatest of
/// each frame, loudest (N, frames).
template <class T>
void mel_energies(Exec&, const SpectrogramParams&, const Frames<T>&, const Complex<T>* spectrum,
                  T* y, T* loudest);

/// y from energies to dB below the clip's greatest, in place.
template <class T>
void decibels(Exec&, const SpectrogramParams&, const T* loudest, T* y);

}  // namespace duet::spectrogram
