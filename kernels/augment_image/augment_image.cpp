#include "kernels/augment_image/augment_image.h"

namespace duet {

extern const AugmentImageRow augment_image_cuda;
#if !DUET_CUDA_PLUGIN
extern const AugmentImageRow augment_image_ref;
#endif

RowList<AugmentImageRow>& augment_image_rows() {
  static RowList<AugmentImageRow> rows("augment_image", {
    augment_image_cuda,
#if !DUET_CUDA_PLUGIN
        augment_image_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = augment_image_rows();

std::string describe(const AugmentImageParams& p) {
  return fmt::format("({},{},{},{})", p.n, p.h, p.w, p.channels);
}

void check(const AugmentImageParams& p, std::span<const ImageAugmentation> augmentations) {
  require(std::ssize(augmentations) == p.n, "[augment_image] {} augmentations for {} pictures",
          augmentations.size(), p.n);
}

}  // namespace duet
