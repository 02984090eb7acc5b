#include "kernels/standardize/standardize.h"

namespace duet {

extern const StandardizeRow standardize_cpu;
extern const StandardizeRow standardize_ref;

RowList<StandardizeRow>& standardize_rows() {
  static RowList<StandardizeRow> rows("standardize", {standardize_cpu, standardize_ref});
  return rows;
}
[[maybe_unused]] static const auto& registered = standardize_rows();

std::string describe(const StandardizeParams& p) {
  return fmt::format("({},{}) scale {} offset {}", p.count, p.channels, p.scale, p.offset);
}

}  // namespace duet
