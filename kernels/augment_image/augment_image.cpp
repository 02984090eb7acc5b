#include "kernels/augment_image/augment_image.h"

namespace duet {

extern const AugmentImageRow augment_image_ref;

RowList<AugmentImageRow>& augment_image_rows() {
  static RowList<AugmentImageRow> rows("augment_image", {augment_image_ref});
  return rows;
}
[[maybe_unused]] static const auto& registered = augment_image_rows();

std::string describe(const AugmentImageParams& p) {
  return fmt::format("({},{},{},{})", p.n, p.h, p.w, p.channels);
}

}  // namespace duet
