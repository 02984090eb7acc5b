#include "kernels/palette/palette.h"

namespace duet {

extern const PaletteRow palette_cuda;
#if !DUET_CUDA_PLUGIN
extern const PaletteRow palette_ref;
#endif

RowList<PaletteRow>& palette_rows() {
  static RowList<PaletteRow> rows("palette", {
    palette_cuda,
#if !DUET_CUDA_PLUGIN
        palette_ref,
#endif
  });
  return rows;
}
[[maybe_unused]] static const auto& registered = palette_rows();

std::string describe(const PaletteParams& p) {
  return fmt::format("({}) {} colours", p.count, p.colors);
}

void check(const PaletteParams& p, std::span<const float> table) {
  require(p.colors >= 2 && std::ssize(table) == 3 * p.colors,
          "[palette] {} numbers are no table of {} colours, of which there must be two",
          table.size(), p.colors);
}

}  // namespace duet
