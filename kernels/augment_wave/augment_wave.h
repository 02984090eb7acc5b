#pragma once
/// Augmentation of sound clips, each with its own settings: shifted in time, with noise added, then
/// made louder or softer.
///
///   y[i] = gain · (x[i − shift] + amplitude · noise(i)),   x = 0 outside the clip
///   amplitude = rms(x) · 10^(−snr_db / 20)
///
/// with rms over the whole clip, padding included.

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
};

struct AugmentWaveParams {
  std::int64_t batch, samples;
  std::uint64_t seed = 0;  ///< Philox seed of the noise

  Shape shape() const { return {batch, samples}; }
};
std::string describe(const AugmentWaveParams& p);
/// Throws Error unless there are as many augmentations as clips.
void check(const AugmentWaveParams& p, std::span<const WaveAugmentation> augmentations);

/// White noise of mean 0 and variance 1 at index i: the sum of four 16-bit numbers, whose
/// distribution function is within 0.01 of the normal one. Integers until the last product, so
/// that every device gives the same bits.
DUET_HOST_DEVICE inline float white_noise(const Philox& philox, std::uint64_t i) {
  const Philox::Block block = philox.block(i / 2);
  const std::uint32_t a = block.word[i % 2 * 2], b = block.word[i % 2 * 2 + 1];
  const auto sum = static_cast<std::int32_t>((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16));
  // Each number has mean 65535 / 2 and variance (65536² − 1) / 12; the root of four of these is
  // 37837.23.
  return static_cast<float>(sum - 2 * 65535) * (1.0f / 37837.23f);
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
