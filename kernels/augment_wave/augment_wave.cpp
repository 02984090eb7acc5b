#include "kernels/augment_wave/augment_wave.h"

namespace duet {

extern const AugmentWaveRow augment_wave_cuda;
#if !DUET_CUDA_PLUGIN
extern const AugmentWaveRow augment_wave_cpu, augment_wave_ref;
#endif

RowList<AugmentWaveRow>& augment_wave_rows() {
  static RowList<AugmentWaveRow> rows("augment_wave", {
    augment_wave_cuda,
#if !DUET_CUDA_PLUGIN
        augment_wave_cpu, augment_wave_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = augment_wave_rows();

std::string describe(const AugmentWaveParams& p) {
  return fmt::format("({},{}) seed {}", p.batch, p.samples, p.seed);
}

void check(const AugmentWaveParams& p, std::span<const WaveAugmentation> augmentations) {
  require(std::ssize(augmentations) == p.batch, "[augment_wave] {} augmentations for {} clips",
          augmentations.size(), p.batch);
}

}  // namespace duet
