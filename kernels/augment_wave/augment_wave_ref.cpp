#include "kernels/augment_wave/augment_wave.h"
#include "kernels/base/parallel.h"

namespace duet {
namespace {

template <class T>
void forward(const AugmentWaveParams& p, const T* x,
             std::span<const WaveAugmentation> augmentations, T* y) {
  parallel_chunks(p.batch, [&](std::int64_t n) {
    const WaveAugmentation& how = augmentations[static_cast<std::size_t>(n)];
    const T* in = x + n * p.samples;
    T* out = y + n * p.samples;
    double energy = 0;
    for (std::int64_t i = 0; i < p.samples; ++i) energy += static_cast<double>(in[i]) * in[i];
    const auto amplitude = static_cast<T>(noise_amplitude(how, energy, p.samples));
    const Philox philox{p.seed, how.stream};
    for (std::int64_t i = 0; i < p.samples; ++i) {
      T value = played(how, in, p.samples, i);
      if (amplitude > 0) value += amplitude * white_noise(philox, static_cast<std::uint64_t>(i));
      out[i] = how.gain * value;
    }
  });
}

}  // namespace

extern const AugmentWaveRow augment_wave_ref = {
    {"ref", RowKind::ref, DeviceType::cpu},
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
