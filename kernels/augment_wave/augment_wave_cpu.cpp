#include <algorithm>

#include "kernels/augment_wave/augment_wave.h"
#include "kernels/base/parallel.h"
#include "kernels/base/philox_vec.h"

namespace duet {
namespace {

/// Samples whose noise is drawn at once: a sample takes two words (white_noise).
constexpr std::int64_t span = philox_vec_words / 2;

template <class T>
double energy_of(const T* x, std::int64_t samples) {
  // As many sums as fill two vectors.
  constexpr int parts = 2 * lanes<double>;
  double sums[parts] = {};
  std::int64_t i = 0;
  for (; i + parts <= samples; i += parts)
    for (int k = 0; k < parts; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
  for (; i < samples; ++i) sums[i % parts] += static_cast<double>(x[i]) * x[i];
  double energy = 0;
  for (const double sum : sums) energy += sum;
  return energy;
}

/// y[i] = gain · y[i], with noise before it where there is some.
template <class T>
void add_noise(const Philox& philox, T amplitude, T gain, std::int64_t samples, T* y) {
  if (!(amplitude > 0)) {
    for (std::int64_t i = 0; i < samples; ++i) y[i] *= gain;
    return;
  }
  for (std::int64_t start = 0; start < samples; start += span) {
    std::uint32_t words[philox_vec_words];
    philox_words(philox, static_cast<std::uint64_t>(start) / 2, words);
    float noise[span];
    for (std::int64_t i = 0; i < span; ++i) noise[i] = white_noise(words[2 * i], words[2 * i + 1]);
    const std::int64_t count = std::min(span, samples - start);
    for (std::int64_t i = 0; i < count; ++i)
      y[start + i] = gain * (y[start + i] + amplitude * noise[i]);
  }
}

template <class T>
void forward(const AugmentWaveParams& p, const T* x,
             std::span<const WaveAugmentation> augmentations, T* y) {
  parallel_chunks(p.batch, [&](std::int64_t n) {
    const WaveAugmentation& how = augmentations[static_cast<std::size_t>(n)];
    const T* in = x + n * p.samples;
    T* out = y + n * p.samples;
    const double energy = noise_level(how) > 0 ? energy_of(in, p.samples) : 0;
    const auto amplitude = static_cast<T>(noise_amplitude(how, energy, p.samples));
    if (how.speed == 1) {
      // From `begin` to `end` the clip, silence before and after.
      const std::int64_t begin = std::clamp<std::int64_t>(how.shift, 0, p.samples);
      const std::int64_t end = std::clamp<std::int64_t>(p.samples + how.shift, begin, p.samples);
      std::fill(out, out + begin, T(0));
      std::copy(in + begin - how.shift, in + end - how.shift, out + begin);
      std::fill(out + end, out + p.samples, T(0));
    } else {
      for (std::int64_t i = 0; i < p.samples; ++i) out[i] = played(how, in, p.samples, i);
    }
    add_noise(Philox{p.seed, how.stream}, amplitude, static_cast<T>(how.gain), p.samples, out);
  });
}

}  // namespace

extern const AugmentWaveRow augment_wave_cpu = {
    {"cpu", RowKind::handwritten, DeviceType::cpu},
    [](const AugmentWaveParams&, DType dtype) { return any_floating(dtype); },
    [](Exec&, const AugmentWaveParams& p, ConstView x,
       std::span<const WaveAugmentation> augmentations, View y) {
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(p, x.as<T>(), augmentations, y.as<T>());
      });
    },
};

}  // namespace duet
