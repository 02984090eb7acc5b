#include "kernels/batchnorm/batchnorm.h"

namespace duet {

extern const BatchNormRow batchnorm_cpu, batchnorm_ref;

RowList<BatchNormRow>& batchnorm_rows() {
  static RowList<BatchNormRow> rows("batchnorm", {batchnorm_cpu, batchnorm_ref});
  return rows;
}
[[maybe_unused]] static const auto& registered = batchnorm_rows();

std::string describe(const BatchNormParams& p) {
  return fmt::format("({},{}) {}", p.rows, p.channels, p.training ? "training" : "inference");
}

}  // namespace duet
