#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_cpu, relu_ref;

RowList<ReluRow>& relu_rows() {
  static RowList<ReluRow> rows("relu", {relu_cpu, relu_ref});
  return rows;
}
[[maybe_unused]] static const auto& registered = relu_rows();

std::string describe(const ReluParams& p) { return fmt::format("({})", p.count); }

}  // namespace duet
