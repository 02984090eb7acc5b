#include "kernels/resize_pictures/resize_pictures.h"

namespace duet {

extern const ResizePicturesRow resize_pictures_cuda;
#if !DUET_CUDA_PLUGIN
extern const ResizePicturesRow resize_pictures_ref;
#endif

RowList<ResizePicturesRow>& resize_pictures_rows() {
  static RowList<ResizePicturesRow> rows("resize_pictures", {
    resize_pictures_cuda,
#if !DUET_CUDA_PLUGIN
        resize_pictures_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = resize_pictures_rows();

std::string describe(const ResizePicturesParams& p) {
  return fmt::format("({},{},{},3)", p.n, p.size, p.size);
}

void check(const ResizePicturesParams& p, std::span<const SlotPicture> pictures) {
  require(p.size > 0, "[resize_pictures] a size of {}", p.size);
  require(std::ssize(pictures) == p.n, "[resize_pictures] {} pictures in {} slots", pictures.size(),
          p.n);
}

}  // namespace duet
