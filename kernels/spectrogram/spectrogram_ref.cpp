#include <complex>

#include "kernels/base/parallel.h"
#include "kernels/spectrogram/mel.h"
#include "kernels/spectrogram/spectrogram.h"

namespace duet {
namespace {

/// w[k] = exp(−2πi k / n)
template <class T>
std::vector<std::complex<T>> roots_of_unity(std::int64_t n) {
  std::vector<std::complex<T>> w(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k)
    w[k] = std::complex<T>(std::polar(1.0, -2 * 3.14159265358979323846 * k / n));
  return w;
}

/// y[k] = Σ_j x[j · stride] exp(−2πi jk / n): an even length as two transforms of half of it, an
/// odd one by the sum itself. `w` holds the roots of the whole length, n · stride.
template <class T>
void fourier(const T* x, std::int64_t stride, std::int64_t n, const std::complex<T>* w,
             std::complex<T>* y) {
  if (n % 2 == 1) {
    for (std::int64_t k = 0; k < n; ++k) {
      y[k] = 0;
      for (std::int64_t j = 0; j < n; ++j) y[k] += x[j * stride] * w[j * k % n * stride];
    }
    return;
  }
  fourier(x, 2 * stride, n / 2, w, y);
  fourier(x + stride, 2 * stride, n / 2, w, y + n / 2);
  for (std::int64_t k = 0; k < n / 2; ++k) {
    const std::complex<T> even = y[k], odd = w[k * stride] * y[k + n / 2];
    y[k] = even + odd;
    y[k + n / 2] = even - odd;
  }
}

template <class T>
void forward(const SpectrogramParams& p, const T* x, T* y) {
  const std::vector<MelFilter> filters =
      mel_filters(p.sample_rate, p.n_fft, p.n_mels, p.fmin, p.fmax);
  const std::vector<double> window = hann_window(p.n_fft);
  const auto w = roots_of_unity<T>(p.n_fft);
  const std::int64_t frames = p.frames();

  parallel_chunks(p.batch, [&](std::int64_t n) {
    const T* clip = x + n * p.samples;
    T* s = y + n * p.n_mels * frames;
    std::vector<T> frame(p.n_fft);
    std::vector<std::complex<T>> spectrum(p.n_fft);
    for (std::int64_t t = 0; t < frames; ++t) {
      for (std::int64_t i = 0; i < p.n_fft; ++i) {
        const std::int64_t at = t * p.hop_length - p.n_fft / 2 + i;
        frame[i] = at >= 0 && at < p.samples ? clip[at] * static_cast<T>(window[i]) : T(0);
      }
      fourier(frame.data(), 1, p.n_fft, w.data(), spectrum.data());
      for (std::int64_t m = 0; m < p.n_mels; ++m) {
        const MelFilter& filter = filters[m];
        T sum = 0;
        for (std::size_t i = 0; i < filter.weights.size(); ++i)
          sum += static_cast<T>(filter.weights[i]) *
                 std::pow(std::abs(spectrum[filter.first + i]), static_cast<T>(p.power));
        s[m * frames + t] = sum;
      }
    }
    const T amin = static_cast<T>(p.amin);
    const T loudest = std::max(amin, *std::max_element(s, s + p.n_mels * frames));
    for (std::int64_t i = 0; i < p.n_mels * frames; ++i)
      s[i] = std::max(10 * (std::log10(std::max(amin, s[i])) - std::log10(loudest)),
                      static_cast<T>(-p.top_db));
  });
}

}  // namespace

extern const SpectrogramRow spectrogram_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
    [](const SpectrogramParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const SpectrogramParams& p, ConstView x, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), y.as<T>());
      });
    },
};

}  // namespace duet
