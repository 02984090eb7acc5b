#include "kernels/resize/resize.h"

namespace duet {

extern const ResizeRow resize_cuda;
#if !DUET_CUDA_PLUGIN
extern const ResizeRow resize_cpu, resize_ref;
#endif

RowList<ResizeRow>& resize_rows() {
  static RowList<ResizeRow> rows("resize", {
    resize_cuda,
#if !DUET_CUDA_PLUGIN
        resize_cpu, resize_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = resize_rows();

std::string describe(const ResizeParams& p) {
  return fmt::format("({},{},{},{}) to {}x{}", p.n, p.h, p.w, p.channels, p.out_h, p.out_w);
}

void check(const ResizeParams& p) {
  require(p.n >= 0 && p.h > 0 && p.w > 0 && p.channels > 0 && p.out_h > 0 && p.out_w > 0,
          "[resize] {}: every extent must be positive", describe(p));
}

}  // namespace duet
