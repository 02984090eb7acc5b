#include "kernels/augment_wave/augment_wave.h"
#include "kernels/simt/simt.h"

namespace duet {
namespace {

constexpr int block_threads = 256, samples_per_thread = 16;
constexpr int block_samples = block_threads * samples_per_thread;

/// energy[block]: Σ x² over the block's samples; `blocks` blocks a clip.
template <class T>
__global__ void __launch_bounds__(block_threads)
    sum_energies(std::int64_t samples, unsigned blocks, const WaveAugmentation* clips, const T* x,
                 double* energy) {
  const unsigned clip = blockIdx.x / blocks;
  double sum = 0;
  if (noise_level(clips[clip]) > 0) {
    const T* wave = x + clip * samples;
    const std::int64_t begin = blockIdx.x % blocks * std::int64_t{block_samples} + threadIdx.x;
#pragma unroll
    for (int k = 0; k < samples_per_thread; ++k) {
      const std::int64_t i = begin + k * block_threads;
      if (i < samples) sum += static_cast<double>(wave[i]) * wave[i];
    }
  }
  sum = simt::block_sum(sum);
  if (threadIdx.x == 0) energy[blockIdx.x] = sum;
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    augment(std::uint64_t seed, std::int64_t samples, unsigned blocks,
            const WaveAugmentation* clips, const double* energy, const T* x, T* y) {
  const unsigned clip = blockIdx.x / blocks;
  const WaveAugmentation how = clips[clip];
  double sum = 0;
  for (unsigned i = threadIdx.x; i < blocks; i += block_threads) sum += energy[clip * blocks + i];
  sum = simt::block_sum(sum);
  const auto amplitude = static_cast<T>(noise_amplitude(how, sum, samples));

  const Philox philox{seed, how.stream};
  const T* wave = x + clip * samples;
  T* out = y + clip * samples;
  const std::int64_t begin = blockIdx.x % blocks * std::int64_t{block_samples} + threadIdx.x;
  for (int k = 0; k < samples_per_thread; ++k) {
    const std::int64_t i = begin + k * block_threads;
    if (i >= samples) return;
    T value = played(how, wave, samples, i);
    if (amplitude > 0) value += amplitude * white_noise(philox, static_cast<std::uint64_t>(i));
    out[i] = how.gain * value;
  }
}

template <class T>
void forward(Exec& exec, const AugmentWaveParams& p, const T* x,
             std::span<const WaveAugmentation> augmentations, T* y) {
  const WaveAugmentation* clips = augmentations.data();
  const auto blocks = static_cast<unsigned>((p.samples + block_samples - 1) / block_samples);
  const unsigned grid = static_cast<unsigned>(p.batch) * blocks;
  double* energy = exec.workspace.allocate_array<double>(grid);
  simt::launch(exec.stream, sum_energies<T>, grid, block_threads, 0, p.samples, blocks, clips, x,
               energy);
  simt::launch(exec.stream, augment<T>, grid, block_threads, 0, p.seed, p.samples, blocks, clips,
               energy, x, y);
}

}  // namespace

extern const AugmentWaveRow augment_wave_cuda = {
    {SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type},
    [](const AugmentWaveParams&, DType dtype) { return any_floating(dtype); },
    [](Exec& exec, const AugmentWaveParams& p, ConstView x,
       std::span<const WaveAugmentation> augmentations, View y) {
      if (p.batch == 0 || p.samples == 0) return;
      dispatch_floating(x.dtype, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(exec, p, x.as<T>(), augmentations, y.as<T>());
      });
    },
};

}  // namespace duet
