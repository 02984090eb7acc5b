#pragma once
/// Augmentation of sound clips, each with its own settings: played faster or slower, shifted in
/// time, with noise added, then made louder or softer.
///
///   y[i] = gain · (x(m + (i − m − shift) · speed) + amplitude · noise(i)),   m = (T − 1) / 2
///   amplitude = rms(x) · 10^(−snr_db / 20)
///
/// x between samples lies on the straight line through both, and is 0 outside the clip; rms is over
/// the whole clip, padding included. With speed 1, x(…) is x[i − shift]. A faster clip is higher as
/// well as shorter, as if somebody smaller had spoken: speed perturbation (Ko et al. 2015).

#include <cmath>
#include <limits>
#include <span>

#include "kernels/base/exec.h"
#include "kernels/base/philox.h"
#include "kernels/base/rows.h"
#include "kernels/base/view.h"

namespace duet {

struct WaveAugmentation {
  std::int32_t shift = 0;                                 ///< samples, positive is later
  float gain = 1;                                         ///< factor
  float snr_db = std::numeric_limits<float>::infinity();  ///< signal to noise; infinite: no noise
  std::uint64_t stream = 0;                               ///< Philox stream of the noise
  double speed = 1;                                       ///< factor, above 0
};

struct AugmentWaveParams {
  std::int64_t batch, samples;
  std::uint64_t seed = 0;  ///< Philox seed of the noise

  Shape shape() const { return {batch, samples}; }
};
std::string describe(const AugmentWaveParams& p);
/// Throws Error unless there are as many augmentations as clips.
void check(const AugmentWaveParams& p, std::span<const WaveAugmentation> augmentations);

/// White noise of mean 0 and variance 1 from two random words: the sum of four 16-bit numbers,
/// whose distribution function is within 0.01 of the normal one. Integers until the last product,
/// so that every device gives the same bits.
DUET_HOST_DEVICE inline float white_noise(std::uint32_t a, std::uint32_t b) {
  const auto sum = static_cast<std::int32_t>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16));
  // Each number has mean 65535 / 2 and variance (65536² − 1) / 12; the root of four of these is
  // 37837.23.
  return static_cast<float>(sum - 2 * 65535) * (1.0f / 37837.23f);
}

/// That at index i: of words 2 i and 2 i + 1.
DUET_HOST_DEVICE inline float white_noise(const Philox& philox, std::uint64_t i) {
  const Philox::Block block = philox.block(i / 2);
  return white_noise(block.word[i % 2 * 2], block.word[i % 2 * 2 + 1]);
}

/// The noise's amplitude over the clip's root mean square; 0: none.
DUET_HOST_DEVICE inline double noise_level(const WaveAugmentation& how) {
  return std::pow(10.0, -how.snr_db / 20.0);
}

/// That amplitude, for a clip of `samples` whose squares add up to `energy`.
DUET_HOST_DEVICE inline double noise_amplitude(const WaveAugmentation& how, double energy,
                                               std::int64_t samples) {
  return std::sqrt(energy / static_cast<double>(samples)) * noise_level(how);
}

/// Sample i of the clip `x` as it is played under `how`, before noise and gain.
template <class T>
DUET_HOST_DEVICE inline T played(const WaveAugmentation& how, const T* x, std::int64_t samples,
                                 std::int64_t i) {
  const auto at = [=](std::int64_t k) { return k >= 0 && k < samples ? x[k] : T(0); };
  if (how.speed == 1) return at(i - how.shift);
  const double middle = static_cast<double>(samples - 1) / 2;
  const double place = middle + (static_cast<double>(i - how.shift) - middle) * how.speed;
  const double whole = std::floor(place);
  const auto left = static_cast<std::int64_t>(whole);
  return at(left) + static_cast<T>(place - whole) * (at(left + 1) - at(left));
}

struct AugmentWaveRow : RowInfo {
  using Params = AugmentWaveParams;
  Support (*supports)(const Params&, DType);
  /// x (N, T), one augmentation per clip (N, in the device's memory) → y (N, T), which must not be
  /// x.
  void (*forward)(Exec&, const Params&, ConstView x, std::span<const WaveAugmentation>, View y);
};

RowList<AugmentWaveRow>& augment_wave_rows();

}  // namespace duet
