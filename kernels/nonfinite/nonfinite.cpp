#include "kernels/nonfinite/nonfinite.h"

namespace duet {

extern const NonfiniteRow nonfinite_ref;

RowList<NonfiniteRow>& nonfinite_rows() {
  static RowList<NonfiniteRow> rows("nonfinite", {nonfinite_ref});
  return rows;
}
[[maybe_unused]] static const auto& registered = nonfinite_rows();

std::string describe(const NonfiniteParams& p) { return fmt::format("({})", p.count); }

}  // namespace duet
